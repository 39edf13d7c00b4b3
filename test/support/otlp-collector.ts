import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

type Value = string | number | boolean | string[];

/** A span as a collector gets it, its times in milliseconds. */
export interface SeenSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '': it is the first of its trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client, 5 consumer. */
  readonly kind: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly events: readonly { readonly name: string; readonly atMs: number }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 2: error. */
  readonly status: number;
  readonly resource: Readonly<Record<string, Value>>;
}

/** What it answers to a request. */
export type CollectorAnswer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** Nothing, ever. */
  | 'silence';

export interface OtlpCollector extends AsyncDisposable {
  readonly url: string;
  readonly spans: SeenSpan[];
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly text: string }[];
  /** To what comes next. Spans are taken with 200 only. */
  answer: CollectorAnswer;
  rootOf(predicate: (span: SeenSpan) => boolean): SeenSpan | undefined;
}

interface Written {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
    readonly arrayValue?: { readonly values: readonly Written['value'][] };
  };
}

/** A collector that takes traces by OTLP over HTTP, in JSON, and keeps them. */
export async function startOtlpCollector(port = 0): Promise<OtlpCollector> {
  const spans: SeenSpan[] = [];
  const requests: OtlpCollector['requests'] = [];
  const collector = { answer: { status: 200, body: {} } as CollectorAnswer };
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const text = (incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
      requests.push({ path: incoming.url ?? '', headers: incoming.headers, text });
      const { answer } = collector;
      if (answer === 'silence') return;
      if (answer.status === 200) spans.push(...decoded(text));
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    get answer() {
      return collector.answer;
    },
    set answer(next) {
      collector.answer = next;
    },
    rootOf: (predicate) => spans.find((span) => span.parentSpanId === '' && predicate(span)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function decoded(text: string): SeenSpan[] {
  const { resourceSpans } = JSON.parse(text) as { resourceSpans: readonly any[] };
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }: { spans: readonly any[] }) =>
      spans.map((span): SeenSpan => ({
        ...{ traceId: span.traceId, spanId: span.spanId, parentSpanId: span.parentSpanId ?? '', name: span.name, kind: span.kind },
        ...{ fromMs: msOf(span.startTimeUnixNano), toMs: msOf(span.endTimeUnixNano), status: span.status.code ?? 0 },
        attributes: plain(span.attributes),
        events: (span.events ?? []).map((event: any) => ({ name: event.name, atMs: msOf(event.timeUnixNano) })),
        links: (span.links ?? []).map((link: any) => ({ traceId: link.traceId, spanId: link.spanId })),
        resource: plain(resource.attributes),
      })),
    ),
  );
}

function msOf(nanos: string): number {
  // More digits than a number has.
  return Number(BigInt(nanos) / 1000n) / 1000;
}

function plain(written: readonly Written[]): Record<string, Value> {
  return Object.fromEntries(written.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf({ stringValue, intValue, doubleValue, boolValue, arrayValue }: Written['value']): Value {
  if (arrayValue) return arrayValue.values.map((each) => String(valueOf(each)));
  if (intValue !== undefined) return Number(intValue);
  return stringValue ?? doubleValue ?? boolValue ?? '';
}
