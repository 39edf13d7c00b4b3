import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { markOf, wordsOf } from '../law/mark.ts';
import type { Strike } from '../law/proofs.ts';
import { listenOn } from './listen-on.ts';
import { sound, type Way, WAYS, type WayName } from './ways.ts';
import { reset } from '../../../supervisor/sim/request/reset.ts';

interface WorkerOptions {
  readonly model?: string;
  /** Between two words. */
  readonly gapMs?: number;
  /** So many characters beside each word of a stream. */
  readonly padding?: number;
  /** Speaks TLS with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** How long a worker that a prompt has killed is gone. */
const CRASHED_MS = 300;

interface Behaviour {
  readonly way: WayName | 'crash';
  /** Of the requests; the others are answered soundly. */
  readonly share: number;
  /** Only for this prompt's mark. */
  readonly only: string | null;
}

/** How its figures are at GET /metrics: sound, never answered, or those of long ago. */
type Figures = 'sound' | 'silent' | 'nonsense' | 'full';

/** A worker shaped like a vLLM that answers each call with the mark it brought, and fails as it is told to. */
export class FaultyWorker {
  readonly #options: Required<Omit<WorkerOptions, 'tls'>> & Pick<WorkerOptions, 'tls'>;
  readonly #sockets = new Set<Socket>();
  readonly #padding: string;
  #server: Server;
  /** The last that has begun and not ended is how it behaves. */
  #behaviours: Behaviour[] = [];
  #open = 0;
  #chance: () => number;
  port = 0;
  model: string;
  figures: Figures = 'sound';
  /** Requests that its fault has struck, in their order. */
  readonly strikes: Strike[] = [];
  /** How often it was asked each mark. */
  readonly asked = new Map<string, number>();
  /** How often its figures were asked for while they were not sound. */
  figuresAsked = 0;
  /** How often it was asked which models it serves while that was another. */
  otherModelTold = 0;
  /** How often it was asked for an answer then. */
  otherModelAsked = 0;
  /** Seconds since the epoch. */
  #bornAt = Date.now() / 1_000;
  /** The longest that it had to wait until somebody read what it said. */
  longestHeldMs = 0;
  /** What went wrong while it came back by itself; null: nothing. */
  failure: string | null = null;

  constructor(options: WorkerOptions = {}, chance: () => number = () => 0) {
    this.#options = { model: 'm', gapMs: 4, padding: 0, ...options };
    this.#padding = 'p'.repeat(this.#options.padding);
    this.model = this.#options.model;
    this.#chance = chance;
    this.#server = this.#make();
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get openRequests(): number {
    return this.#open;
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  /** Listens; on the port that it had, if it had one. */
  async listen(): Promise<void> {
    this.port = await listenOn(
      () => this.#server,
      this.port,
      () => (this.#server = this.#make()),
    );
  }

  /**
   * From now on. `share`: of the requests. `only`: those with this mark.
   * @returns what ends it, so that it behaves as it did before
   */
  behave(way: WayName | 'crash', { share = 1, only = null }: { readonly share?: number; readonly only?: string | null } = {}): () => void {
    const behaviour: Behaviour = { way, share, only };
    this.#behaviours.push(behaviour);
    return () => void (this.#behaviours = this.#behaviours.filter((each) => each !== behaviour));
  }

  /** Sound from now on; what it does already it goes on doing. */
  heal(): void {
    this.#behaviours = [];
    this.figures = 'sound';
    this.model = this.#options.model;
  }

  /** Cuts every connection and refuses new ones, as after kill -9. */
  async die(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) reset(socket);
    await closed;
  }

  /** Again on the same port, after `die`. */
  async revive(): Promise<void> {
    this.#server = this.#make();
    this.#bornAt = Date.now() / 1_000;
    await this.listen();
  }

  #make(): Server {
    const handle = (request: IncomingMessage, response: ServerResponse): void => this.#handle(request, response);
    const server = this.#options.tls ? createTlsServer(this.#options.tls, handle) : createServer(handle);
    server.keepAliveTimeout = 5_000;
    server.on(this.#options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket)).on('error', () => {});
    });
    return server;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'GET') return this.#page(request.url ?? '', response);
    this.#open++;
    response.once('close', () => this.#open--);
    response.on('error', () => {});
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => {});
    request.on('end', () => {
      const body = bodyOf(pieces);
      if (body === null) return void response.destroy();
      if (this.model !== this.#options.model) this.otherModelAsked++;
      if (body.model !== undefined && body.model !== this.model) return notFound(response, body.model);
      const mark = markOf(body.messages?.[0]?.content ?? '') ?? { id: 'none', words: 3 };
      this.asked.set(mark.id, (this.asked.get(mark.id) ?? 0) + 1);
      const way = this.#wayFor(mark.id);
      if (way !== sound) this.strikes.push({ id: mark.id, atMs: performance.now() });
      if (way === 'crash') return void this.#crash();
      const onHeld = (ms: number): void => void (this.longestHeldMs = Math.max(this.longestHeldMs, ms));
      const { gapMs } = this.#options;
      const exchange = { words: wordsOf(mark), stream: body.stream === true, response, gapMs, padding: this.#padding, onHeld };
      void Promise.resolve(way(exchange)).catch(() => response.destroy());
    });
  }

  #wayFor(id: string): Way | 'crash' {
    const behaviour = this.#behaviours.at(-1);
    if (behaviour === undefined) return sound;
    const { way, share, only } = behaviour;
    if (only === null ? this.#chance() >= share : only !== id) return sound;
    return way === 'crash' ? way : WAYS[way];
  }

  async #crash(): Promise<void> {
    try {
      await this.die();
      await delay(CRASHED_MS);
      await this.revive();
    } catch (error) {
      this.failure = `a worker did not come back: ${(error as Error).message}`;
    }
  }

  #page(path: string, response: ServerResponse): void {
    const json = (value: unknown): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/health') return void response.writeHead(200).end();
    if (path === '/version') return json({ version: '0.28.0' });
    if (path === '/v1/models') {
      if (this.model !== this.#options.model) this.otherModelTold++;
      const entry = { id: this.model, object: 'model', created: 1, owned_by: 'vllm', root: this.model, parent: null, max_model_len: 8192 };
      return json({ object: 'list', data: [entry] });
    }
    if (path !== '/metrics') return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail":"Not Found"}');
    if (this.figures !== 'sound') this.figuresAsked++;
    if (this.figures === 'silent') return;
    if (this.figures === 'nonsense')
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end('\u0000{{{ 1e999 NaN\n'.repeat(9));
    const isFull = this.figures === 'full';
    const figures = {
      num_requests_running: isFull ? 8 : this.#open,
      num_requests_waiting: isFull ? 50 : 0,
      kv_cache_usage_perc: isFull ? 0.99 : 0.1,
    };
    const lines = Object.entries(figures).map(([name, value]) => `vllm:${name}{engine="0",model_name="${this.model}"} ${value}`);
    response.writeHead(200, { 'content-type': 'text/plain' }).end(`${lines.join('\n')}\nprocess_start_time_seconds ${this.#bornAt}\n`);
  }
}

/** null: that is no JSON. */
function bodyOf(pieces: readonly Buffer[]): Asked | null {
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as Asked;
  } catch {
    return null;
  }
}

/** As vLLM says it. */
function notFound(response: ServerResponse, model: string): void {
  const error = { message: `The model \`${model}\` does not exist.`, type: 'NotFoundError', param: 'model', code: 404 };
  response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

interface Asked {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly { readonly content?: string }[];
}
