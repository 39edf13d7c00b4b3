import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Strike } from '../law/proofs.ts';
import { listenOn } from './listen-on.ts';
import { Spoiler } from './spoiler.ts';
import { reset } from '../../../supervisor/sim/request/reset.ts';

/**
 * What a line does to the bytes of both directions: `blackhole` swallows them and keeps connections; `half-open` accepts and connects
 * nowhere; `slow`: some bytes ten times a second; `slices`: single bytes; `corrupt`: spoils the text of what comes from the server; `cut`: resets
 * each connection after some bytes of answer; `late`: each piece comes after `lateMs`.
 */
export type LineFault = 'blackhole' | 'half-open' | 'slow' | 'slices' | 'corrupt' | 'cut' | 'late' | 'reset-new';

const SLOW_BYTES = 16;
const SLOW_MS = 100;
const CUT_AFTER = 300;
const SLICED = 400;

const MARK = /"mark ([\w-]+) words \d+"/;

/** One connection, and where it leads to; null: nowhere. */
class Pair {
  readonly client: Socket;
  readonly server: Socket | null;
  /** The mark of the call that is on it just now; null: none, but a scrape, or what is no HTTP. */
  call: string | null = null;

  constructor(client: Socket, server: Socket | null) {
    this.client = client;
    this.server = server;
  }

  /** Notes whose bytes the next ones are. */
  hears(piece: Buffer): void {
    const text = piece.toString('latin1');
    if (text.startsWith('GET ')) this.call = null;
    else this.call = MARK.exec(text)?.[1] ?? this.call;
  }

  cut(): void {
    reset(this.client);
    reset(this.server);
  }
}

/** A TCP line between the gateway and something that it needs, which goes wrong when it is told to. */
export class FaultProxy {
  readonly #to: { readonly port: number };
  readonly #pairs = new Set<Pair>();
  readonly #seen = new Set<string>();
  #server: Server;
  /** The last that has begun and not ended is what it does. */
  #faults: { readonly fault: LineFault; readonly lateMs: number }[] = [];
  port = 0;
  /** Calls that a fault has met, each once, in their order. */
  readonly strikes: Strike[] = [];
  /** Connections and pieces that a fault has met, whatever they carried; and connections that led nowhere. */
  hits = 0;

  /** @param to whose `port` is looked at for each connection */
  constructor(to: { readonly port: number }) {
    this.#to = to;
    this.#server = this.#make();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** That there are just now. */
  get connections(): number {
    return this.#pairs.size;
  }

  get #fault(): LineFault | null {
    return this.#faults.at(-1)?.fault ?? null;
  }

  async listen(): Promise<void> {
    this.port = await listenOn(
      () => this.#server,
      this.port,
      () => (this.#server = this.#make()),
    );
  }

  /** @returns what ends it, so that the line is as it was before */
  fail(fault: LineFault, lateMs = 0): () => void {
    const failing = { fault, lateMs };
    this.#faults.push(failing);
    return () => this.#end([failing]);
  }

  /** What a fault has swallowed stays lost: connections that it has struck are cut. */
  heal(): void {
    this.#end(this.#faults);
  }

  /** Resets every connection. */
  cutAll(): void {
    for (const pair of this.#pairs) {
      this.hits++;
      pair.cut();
    }
  }

  /** Refuses connections, and cuts those that there are. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cutAll();
    await closed;
  }

  async reopen(): Promise<void> {
    this.#server = this.#make();
    await this.listen();
  }

  #end(over: readonly { readonly fault: LineFault }[]): void {
    const swallowed = over.some(({ fault }) => fault === 'blackhole' || fault === 'half-open');
    this.#faults = this.#faults.filter((each) => !over.includes(each));
    if (swallowed) for (const pair of this.#pairs) pair.cut();
  }

  #hit({ call }: Pair): void {
    this.hits++;
    if (call === null || this.#seen.has(call)) return;
    this.#seen.add(call);
    this.strikes.push({ id: call, atMs: performance.now() });
  }

  #make(): Server {
    return createServer((client) => this.#join(client));
  }

  #join(client: Socket): void {
    client.on('error', () => {});
    if (this.#fault === 'reset-new') {
      this.hits++;
      return reset(client);
    }
    if (this.#fault === 'half-open') {
      const alone = new Pair(client, null);
      this.#pairs.add(alone);
      client
        .once('close', () => this.#pairs.delete(alone))
        .on('data', (piece: Buffer) => {
          alone.hears(piece);
          this.#hit(alone);
        });
      return;
    }
    const server = connect(this.#to.port, '127.0.0.1');
    const pair = new Pair(client, server);
    this.#pairs.add(pair);
    server.on('error', () => {
      this.hits++;
      reset(client);
    });
    client.once('close', () => {
      this.#pairs.delete(pair);
      // An end that a black hole swallows is not told.
      if (this.#fault !== 'blackhole') server.destroy();
      else setTimeout(() => server.destroy(), 5_000).unref();
    });
    this.#pass(pair, client, server, false);
    const onceAllIsOut = this.#pass(pair, server, client, true);
    server.once('close', () => {
      if (this.#fault !== 'blackhole') onceAllIsOut(() => client.destroySoon());
    });
  }

  /** @returns what does something once all that is held back has gone out */
  #pass(pair: Pair, from: Socket, to: Socket, isAnswer: boolean): (then: () => void) => void {
    const spoiler = new Spoiler();
    let passed = 0;
    // Pieces that are held back, in their order, which timers of one moment need not keep; whatever comes meanwhile stays behind them.
    const held: Buffer[] = [];
    let dueMs = 0;
    let whenOut = (): void => {};
    const holdBack = (piece: Buffer): void => {
      held.push(piece);
      const now = performance.now();
      dueMs = Math.max(dueMs, now + (this.#faults.at(-1)?.lateMs ?? 0));
      setTimeout(() => {
        write(from, to, held.shift()!);
        if (held.length === 0) whenOut();
      }, dueMs - now);
    };
    from.on('data', (piece: Buffer) => {
      const fault = this.#fault;
      if (!isAnswer) pair.hears(piece);
      if (held.length > 0) return holdBack(piece);
      if (fault === null || fault === 'reset-new' || fault === 'half-open') return write(from, to, piece);
      if (fault === 'blackhole') return this.#hit(pair);
      if (!isAnswer && fault !== 'late') return write(from, to, piece);
      if (fault === 'corrupt') {
        const spoilt = spoiler.spoil(piece);
        if (!spoilt.equals(piece)) this.#hit(pair);
        return write(from, to, spoilt);
      }
      passed += piece.length;
      if (fault === 'cut' && passed <= CUT_AFTER) return write(from, to, piece);
      this.#hit(pair);
      if (fault === 'cut') {
        to.write(piece.subarray(0, 40), () => reset(to));
        return reset(from);
      }
      if (fault === 'late') return holdBack(piece);
      if (fault === 'slices') return slice(from, to, piece);
      drip(from, to, piece);
    });
    return (then) => {
      if (held.length === 0) then();
      else whenOut = then;
    };
  }
}

function write(from: Socket, to: Socket, piece: Buffer): void {
  if (!to.writable || to.write(piece)) return;
  from.pause();
  to.once('drain', () => from.resume());
}

function slice(from: Socket, to: Socket, piece: Buffer): void {
  to.setNoDelay(true);
  const singles = Math.min(SLICED, piece.length);
  for (let at = 0; at < singles; at++) write(from, to, piece.subarray(at, at + 1));
  if (piece.length > singles) write(from, to, piece.subarray(singles));
}

/** Nothing more is read until it has gone out. */
function drip(from: Socket, to: Socket, piece: Buffer): void {
  from.pause();
  let at = 0;
  const timer = setInterval(() => {
    if (!to.writable || at >= piece.length) {
      clearInterval(timer);
      return void from.resume();
    }
    to.write(piece.subarray(at, (at += SLOW_BYTES)));
  }, SLOW_MS);
  to.once('close', () => clearInterval(timer));
}
