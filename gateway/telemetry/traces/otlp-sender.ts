import type { FinishedSpan, SpanOrigin } from './finished-span.ts';
import type { SpanSender } from './span-queue.ts';
import type { Clock } from '../../core/clock.ts';

/** A request to the collector, and what is tried again of it (refused connections, 429, 502 to 504), takes so long at most. */
const SEND_MS = 5_000;
/** One whose answer drips in is given up. */
const GIVE_UP_MS = 10_000;
const PATH = '/v1/traces';

export interface OtlpOptions {
  readonly clock: Clock;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly version: string;
  /** No other process of any gateway has the same. */
  readonly instance: string;
  readonly pid: number;
}

/** What knows OpenTelemetry's packages: they are loaded by the first call (a quarter of a second, 27 MB), and by nothing else. */
export async function openOtlpSender(options: OtlpOptions): Promise<{ readonly sender: SpanSender; readonly origin: SpanOrigin }> {
  const { clock, endpoint, headers, serviceName, version, instance, pid } = options;
  const [{ diag, DiagLogLevel }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint), headers: { ...headers }, timeoutMillis: SEND_MS });
  // The exporter tells of spans that a collector refused in no other way.
  let refused = 0;
  const warn = (message: string, ...more: unknown[]): void => {
    if (message.startsWith('Received Partial Success')) refused += refusedIn(more[0]);
  };
  const silent = (): void => {};
  diag.setLogger(
    { error: silent, warn, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const resource = resourceFromAttributes({
    'service.name': serviceName,
    'service.version': version,
    'service.instance.id': instance,
    'process.pid': pid,
  });
  const sender: SpanSender = {
    send: (spans: FinishedSpan[]) =>
      new Promise((resolve, reject) => {
        const timer = clock.after(GIVE_UP_MS, () => reject(new Error(`no answer within ${GIVE_UP_MS / 1_000} s`)));
        exporter.export(spans, ({ code, error }) => {
          timer.cancel();
          const ofThese = Math.min(refused, spans.length);
          refused = 0;
          if (code === 0) resolve(ofThese);
          else reject(new Error(wordsOf(error)));
        });
      }),
    close: () => void exporter.shutdown().catch(silent),
  };
  return { sender, origin: { resource, scope: { name: 'headgate', version } } };
}

/** Where a collector takes traces: what is set is its root, unless it names the path itself. */
export function tracesUrl(endpoint: string): string {
  const root = endpoint.replace(/\/+$/, '');
  return root.endsWith(PATH) ? root : root + PATH;
}

/** Not what a collector writes in the body of its answer: that may repeat what it was sent. */
function wordsOf(error: Error | undefined): string {
  const status = error !== undefined && 'code' in error && typeof error.code === 'number' ? `${error.code} ` : '';
  return `${status}${error?.message || 'it asked to be left alone for longer than a request may take'}`;
}

function refusedIn(partial: unknown): number {
  try {
    const { rejectedSpans } = JSON.parse(String(partial)) as { rejectedSpans?: unknown };
    const count = Number(rejectedSpans);
    return count > 0 ? count : 0;
  } catch {
    return 0;
  }
}
