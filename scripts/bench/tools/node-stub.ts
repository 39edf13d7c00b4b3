import { readdirSync, readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROMPT_TOKENS } from './answers.ts';

// What stub.c is, in Node, for machines without a compiler: same options, same answers, a few times the cost.

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    answers: { type: 'string' },
    'step-us': { type: 'string', default: '20000' },
    'think-us': { type: 'string', default: '0' },
    'keep-alive-s': { type: 'string', default: '5' },
  },
});
const folder = values.answers!;
const texts = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
let stepUs = Number(values['step-us']);
let thinkUs = Number(values['think-us']);
const counted = { calls: 0, streams: 0, aborts: 0, tokens: 0, open: 0, open_most: 0 };

interface Stream {
  readonly response: ServerResponse;
  readonly api: string;
  readonly id: string;
  readonly tokens: number;
  readonly wantsUsage: boolean;
  left: number;
}
const streams = new Set<Stream>();
let timer: NodeJS.Timeout | null = null;

const APIS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text',
  '/v1/embeddings': 'vectors',
};

function nowUs(): number {
  return Math.floor(Number(process.hrtime.bigint() / 1000n));
}

function fill(name: string, id = '', tokens = 0): string {
  const figures: Readonly<Record<string, () => number | string>> = {
    ID: () => id,
    STAMP: nowUs,
    TOKENS: () => tokens,
    TOTAL: () => tokens + PROMPT_TOKENS,
    RUNNING: () => streams.size,
    GENERATED: () => counted.tokens,
    CALLS: () => counted.calls,
  };
  return texts.get(name)!.replaceAll(/<<(\w+)>>/g, (_, figure: string) => String(figures[figure]!()));
}

function respond(response: ServerResponse, status: number, type: string, body: string): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { server: 'uvicorn', 'content-length': length, 'content-type': type, vary: 'Origin' }).end(body);
}

function step(): void {
  for (const stream of streams) {
    const { response, api, id, tokens } = stream;
    response.cork();
    if (stream.left === tokens && texts.get(`${api}-role`) !== '') response.write(fill(`${api}-role`, id, tokens));
    stream.left--;
    counted.tokens++;
    response.write(fill(stream.left > 0 ? `${api}-token` : `${api}-last`, id, tokens));
    if (stream.left === 0) {
      streams.delete(stream);
      if (stream.wantsUsage) response.write(fill(`${api}-usage`, id, tokens));
      response.write('data: [DONE]\n\n');
      response.end();
    }
    response.uncork();
  }
  timer = null;
  wind();
}

/** One clock for all: a step is at a multiple of its length. */
function wind(): void {
  if (timer === null && streams.size > 0) timer = setTimeout(step, (stepUs - (nowUs() % stepUs)) / 1000);
}

function answer(api: string, request: IncomingMessage, response: ServerResponse, body: string): void {
  const asked = JSON.parse(body) as Record<string, unknown> & { stream_options?: { include_usage?: boolean } };
  const tokens = Math.max(1, Number(asked['max_tokens'] ?? asked['max_completion_tokens'] ?? 16));
  const id = String(request.headers['x-request-id'] ?? randomBytes(8).toString('hex'));
  counted.calls++;
  if (api !== 'vectors' && asked['stream'] === true) {
    counted.streams++;
    response.writeHead(200, { server: 'uvicorn', 'content-type': 'text/event-stream; charset=utf-8', vary: 'Origin' }).flushHeaders();
    const stream = { response, api, id, tokens, left: tokens, wantsUsage: asked.stream_options?.include_usage === true };
    streams.add(stream);
    response.on('close', () => {
      if (streams.delete(stream)) counted.aborts++;
    });
    wind();
    return;
  }
  counted.tokens += tokens;
  const reply = (): void => respond(response, 200, 'application/json', fill(`${api}-whole`, id, tokens));
  if (thinkUs === 0) return reply();
  const thought = setTimeout(reply, thinkUs / 1000);
  response.on('close', () => {
    if (response.writableFinished) return;
    clearTimeout(thought);
    counted.aborts++;
  });
}

function look(request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query] = request.url!.split('?');
  if (path === '/health') return respond(response, 200, 'text/plain', '');
  if (path === '/v1/models') return respond(response, 200, 'application/json', fill('models'));
  if (path === '/metrics') return respond(response, 200, 'text/plain; version=0.0.4; charset=utf-8', fill('metrics'));
  if (path === '/version') return respond(response, 200, 'application/json', '{"version":"0.32.0"}');
  if (path === '/load') return respond(response, 200, 'application/json', '{"server_load":0}');
  if (!path.startsWith('/bench/')) return respond(response, 404, 'application/json', '{"detail":"Not Found"}');
  const set = new URLSearchParams(query);
  stepUs = Number(set.get('step_us')) || stepUs;
  thinkUs = Number(set.get('think_us') ?? thinkUs);
  respond(response, 200, 'application/json', JSON.stringify({ ...counted, streaming: streams.size }));
}

const server = createServer((request, response) => {
  const api = request.method === 'POST' ? APIS[request.url!] : undefined;
  if (api === undefined) return look(request, response);
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => answer(api, request, response, Buffer.concat(parts).toString()));
});
server.keepAliveTimeout = Number(values['keep-alive-s']) * 1000;
server.on('connection', (socket) => {
  counted.open_most = Math.max(counted.open_most, ++counted.open);
  socket.setNoDelay(true);
  socket.on('close', () => counted.open--);
});
server.listen({ port: Number(values.port), host: '127.0.0.1', backlog: 8192 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`listening ${address.port}\n`);
});
