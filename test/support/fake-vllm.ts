import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { reset } from '../../supervisor/sim/request/reset.ts';

/** What the fake says of one POST. The request's body has been read. */
export type Script = (request: { path: string; headers: IncomingMessage['headers']; body: string }, response: ServerResponse) => void;

export interface FakeVllm extends AsyncDisposable {
  readonly url: string;
  /** Every POST so far. */
  readonly requests: { path: string; headers: IncomingMessage['headers']; body: string; atMs: number; closed: boolean }[];
  /** Answers the next POSTs; the last one set stays. */
  script: Script;
  /** Values for /metrics, by vLLM's name without prefix. */
  metrics: Record<string, number>;
  /** When its process began, in seconds since the epoch; null: its metrics do not say. */
  process: number | null;
  /** What it answers to GETs of other paths, by path and query. */
  pages: Record<string, unknown>;
  /** Such GETs so far. */
  readonly gets: string[];
  /** How long it takes to answer what is asked of it by GET. */
  getsTakeMs: number;
  /** What it was told to be; its script does not know of it. */
  rest: 'asleep' | 'paused' | null;
  readonly openSockets: () => number;
  /** Cuts every connection and stops listening, as kill -9 does. */
  die(): Promise<void>;
  /** Refuses new connections and closes those at rest; those with a request stay open, and whatever its script says still goes out. */
  closePort(): void;
}

/** The answers of a worker in the shapes vLLM has, and none of its timing. */
export const answers = {
  completion:
    (content = 'Hello'): Script =>
    (_request, response) => {
      const body = JSON.stringify({
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content }, logprobs: null, finish_reason: 'stop', stop_reason: null }],
        usage: { prompt_tokens: 3, total_tokens: 5, completion_tokens: 2 },
      });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    },
  /** One event a chunk, `gapMs` apart; 0 = at once. */
  stream:
    (tokens: readonly string[] = ['Hel', 'lo'], gapMs = 0): Script =>
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.flushHeaders();
      let at = 0;
      const next = (): void => {
        if (response.destroyed) return;
        if (at < tokens.length) {
          response.write(event(tokens[at]!, at === tokens.length - 1 ? 'stop' : null));
          at++;
          if (gapMs === 0) next();
          else setTimeout(next, gapMs);
        } else {
          response.write('data: [DONE]\n\n');
          response.end();
        }
      };
      next();
    },
  error:
    (status: number, body: unknown, contentType = 'application/json'): Script =>
    (_request, response) => {
      response.writeHead(status, { 'content-type': contentType });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    },
  /** Reads the request and says nothing. */
  silence: (): Script => () => {},
};

export function event(content: string, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finish }] })}\n\n`;
}

/** A scripted worker on a free loopback port that serves `models`. */
export async function startFakeVllm(models: readonly string[] = ['m']): Promise<FakeVllm> {
  const sockets = new Set<Socket>();
  const fake = {
    requests: [] as FakeVllm['requests'],
    script: answers.completion(),
    metrics: {} as Record<string, number>,
    process: 1_000 as number | null,
    rest: null as FakeVllm['rest'],
    getsTakeMs: 0,
    pages: {} as Record<string, unknown>,
    gets: [] as string[],
  };
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      if (fake.getsTakeMs === 0) return get(request.url ?? '', response);
      return void setTimeout(() => get(request.url ?? '', response), fake.getsTakeMs);
    }
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const entry = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(pieces).toString('utf8'),
        atMs: performance.now(),
        closed: false,
      };
      fake.requests.push(entry);
      response.on('close', () => {
        entry.closed = true;
      });
      fake.script(entry, response);
    });
  });
  server.keepAliveTimeout = 5_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  function get(url: string, response: ServerResponse): void {
    if (url === '/v1/models' && fake.pages[url] !== undefined) json(response, fake.pages[url]);
    else if (url === '/health') response.writeHead(200).end();
    else if (url === '/version') json(response, { version: '0.28.0' });
    else if (url === '/v1/models') {
      const data = models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'vllm', root: id, parent: null, max_model_len: 8192 }));
      json(response, { object: 'list', data });
    } else if (url === '/metrics') {
      const figures = { num_requests_running: 0, num_requests_waiting: 0, kv_cache_usage_perc: 0, ...fake.metrics };
      const lines = Object.entries(figures).map(([name, value]) => `vllm:${name}{engine="0",model_name="m"} ${value}`);
      lines.push(`vllm:engine_sleep_state{engine="0",model_name="m",sleep_state="awake"} ${fake.rest === 'asleep' ? 0 : 1}`);
      if (fake.process !== null) lines.push(`process_start_time_seconds ${fake.process}`);
      response.writeHead(200, { 'content-type': 'text/plain' }).end(`${lines.join('\n')}\n`);
    } else if (url === '/is_paused' && fake.rest !== 'asleep') json(response, { is_paused: fake.rest === 'paused' });
    else if (url.startsWith('/v1/responses/')) {
      fake.gets.push(url);
      const page = fake.pages[url];
      if (page !== undefined) return json(response, page);
      const error = {
        message: `Response with id '${url.slice(14)}' not found.`,
        type: 'invalid_request_error',
        param: 'response_id',
        code: 404,
      };
      response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    } else response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail":"Not Found"}');
  }
  function json(response: ServerResponse, value: unknown): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  async function die(): Promise<void> {
    for (const socket of sockets) reset(socket);
    await new Promise((resolve) => server.close(resolve));
  }
  return Object.assign(fake, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    openSockets: () => sockets.size,
    die,
    closePort() {
      server.close();
      server.closeIdleConnections();
    },
    [Symbol.asyncDispose]: die,
  });
}
