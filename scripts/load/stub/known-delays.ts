import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { normal } from '../workload/distributions.ts';
import { seeded } from '../workload/seeded.ts';

/** The delays that a server really made, in milliseconds by its own clock, of each call that it answered whole. */
export interface ToldDelays {
  readonly ttft: readonly number[];
  readonly tpot: readonly number[];
  readonly e2e: readonly number[];
}

interface StubOptions {
  /** The median of the wait for a first token; single ones vary as a lognormal of `sigma`. */
  readonly ttftMs: number;
  readonly tokenMs: number;
  readonly sigma: number;
  readonly seed: number;
}

const USUAL_TOKENS = 8;

interface Asked {
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly stream?: boolean;
}

/** An OpenAI server that speaks so many tokens as it is asked for, at times which it keeps account of: what a measurement can be measured by. */
export class KnownDelays {
  readonly #options: StubOptions;
  readonly #uniform: () => number;
  readonly #server: Server;
  readonly #told = { ttft: [] as number[], tpot: [] as number[], e2e: [] as number[] };
  /** Nobody is answered before this. */
  #stalledUntil = 0;

  constructor(options: StubOptions) {
    this.#options = options;
    this.#uniform = seeded(options.seed);
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  /** @returns its URL */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  told(): ToldDelays {
    return this.#told;
  }

  forget(): void {
    for (const values of Object.values(this.#told)) values.length = 0;
  }

  /** What comes within so many milliseconds from now waits until they are over. */
  stall(ms: number): void {
    this.#stalledUntil = performance.now() + ms;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrived = performance.now();
    if (request.method === 'GET') return json(response, request.url === '/v1/models' ? { data: [{ id: 'known-delays' }] } : {});
    const body = await read(request);
    const { stream = false, ...asked } = JSON.parse(body) as Asked;
    const tokens = asked.max_completion_tokens ?? asked.max_tokens ?? USUAL_TOKENS;
    const { ttftMs, tokenMs, sigma } = this.#options;
    const first = arrived + ttftMs * Math.exp(sigma * normal(this.#uniform));
    await until(Math.max(first, this.#stalledUntil));
    if (response.destroyed) return;
    if (!stream) {
      json(response, { choices: [{ message: { role: 'assistant', content: 'word' } }], usage: usage(tokens) });
      this.#told.e2e.push(performance.now() - arrived);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const start = performance.now();
    for (let i = 0; i < tokens; i++) {
      await until(Math.max(start + i * tokenMs, this.#stalledUntil));
      if (response.destroyed) return;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'word ' } }] })}\n\n`);
    }
    const last = performance.now();
    response.end(`data: ${JSON.stringify({ choices: [], usage: usage(tokens) })}\n\ndata: [DONE]\n\n`);
    this.#told.ttft.push(start - arrived);
    this.#told.e2e.push(last - arrived);
    if (tokens > 1) this.#told.tpot.push((last - start) / (tokens - 1));
  }
}

function usage(tokens: number): Readonly<Record<string, number>> {
  return { prompt_tokens: 5, completion_tokens: tokens, total_tokens: tokens + 5 };
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

async function until(moment: number): Promise<void> {
  const left = moment - performance.now();
  if (left > 0) await delay(left);
}
