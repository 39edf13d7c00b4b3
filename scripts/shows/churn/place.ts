import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How a pod is. sick: it refuses what it is asked. dead: nobody answers there, though Kubernetes has not noticed yet. */
export type Health = 'well' | 'slow' | 'sick' | 'dead';

export const MODEL = 'm';
/** A call that comes to an address whose pod has gone for longer than this should not have come. */
export const LATE_MS = 2_000;
const TOKENS = 4;
const TOKEN_MS = 5;
const SLOW_TOKEN_MS = 120;

/** An address that pods have, one after another. Whoever calls there while nobody has it is noted. */
export class Place implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Calls that came too late: by how many milliseconds. */
  readonly late: number[] = [];
  calls = 0;
  /** How often such calls were waited for. */
  watched = 0;
  uid: string | null = null;
  health: Health = 'well';
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  readonly #lateMs: number;
  #goneAt = 0;
  #watching: NodeJS.Timeout | null = null;
  /** Calls that are being answered. */
  #answering = 0;

  /** `lateMs`: for how long calls may still come */
  constructor(host: string, port: number, lateMs: number) {
    this.#lateMs = lateMs;
    this.host = host;
    this.port = port;
  }

  get answering(): number {
    return this.#answering;
  }

  /** A pod begins here. */
  async begin(uid: string, health: Health): Promise<void> {
    await this.#close();
    this.uid = uid;
    this.health = health;
    if (health !== 'dead') await this.#listen((request, response) => this.#answer(request, response));
  }

  /** Nobody is here any more, from one moment to the next. What still calls after a while is noted. */
  async end(): Promise<void> {
    this.uid = null;
    this.#goneAt = performance.now();
    await this.#close();
    this.#watching = setTimeout(() => {
      this.watched += 1;
      void this.#listen((request, response) => this.#note(request, response));
    }, this.#lateMs);
  }

  /** The pod is still there for Kubernetes, and nobody answers. */
  async die(): Promise<void> {
    this.health = 'dead';
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<void> {
    const server = createServer(answer);
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, this.host, resolve);
    });
  }

  async #close(): Promise<void> {
    if (this.#watching) clearTimeout(this.#watching);
    this.#watching = null;
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  #note(request: IncomingMessage, response: ServerResponse): void {
    // That it is asked whether it is well is no call: as long as nothing can be known, that is how it is found out.
    if (request.method === 'POST') this.late.push(performance.now() - this.#goneAt);
    response.socket?.resetAndDestroy();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.health === 'sick') return void response.writeHead(503).end();
    const { url = '/', method } = request;
    if (method === 'POST') return this.#call(request, response);
    const json = (body: object): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (url === '/health') response.writeHead(200).end();
    else if (url === '/version') json({ version: '0.28.0' });
    else if (url === '/v1/models') json({ object: 'list', data: [{ id: MODEL, object: 'model', root: MODEL, max_model_len: 4096 }] });
    else if (url === '/metrics')
      response.writeHead(200, { 'content-type': 'text/plain' }).end('vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n');
    else response.writeHead(404).end();
  }

  /** A stream of a few tokens. */
  #call(request: IncomingMessage, response: ServerResponse): void {
    this.calls += 1;
    this.#answering += 1;
    response.on('close', () => (this.#answering -= 1));
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      this.#token(response, 0);
    });
  }

  #token(response: ServerResponse, n: number): void {
    if (response.destroyed) return;
    const choice = { index: 0, delta: { content: `t${n}` }, finish_reason: n === TOKENS - 1 ? 'stop' : null };
    response.write(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [choice] })}\n\n`,
    );
    if (n === TOKENS - 1) return void response.end('data: [DONE]\n\n');
    setTimeout(() => this.#token(response, n + 1), this.health === 'slow' ? SLOW_TOKEN_MS : TOKEN_MS);
  }
}
