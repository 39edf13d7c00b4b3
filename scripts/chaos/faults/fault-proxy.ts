import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What a line does to the bytes of both directions: `blackhole` swallows them and keeps connections; `half-open` accepts and connects
 * nowhere; `slow`: some bytes ten times a second; `slices`: single bytes; `corrupt`: spoils what comes from the server; `cut`: resets
 * each connection after some bytes of answer; `late`: each piece comes after `lateMs`.
 */
export type LineFault = 'blackhole' | 'half-open' | 'slow' | 'slices' | 'corrupt' | 'cut' | 'late' | 'reset-new';

const SLOW_BYTES = 16;
const SLOW_MS = 100;
const CUT_AFTER = 300;
const SLICED = 400;

/** A TCP line between the gateway and something that it needs, which goes wrong when it is told to. */
export class FaultProxy {
  readonly #to: { readonly port: number };
  readonly #pairs = new Set<readonly [Socket, Socket | null]>();
  #server: Server;
  #fault: LineFault | null = null;
  #lateMs = 0;
  port = 0;
  /** Connections and pieces that a fault has struck. */
  struck = 0;

  /** @param to whose `port` is looked at for each connection */
  constructor(to: { readonly port: number }) {
    this.#to = to;
    this.#server = this.#make();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(this.port, '127.0.0.1', () => resolve());
    });
    this.port = (this.#server.address() as AddressInfo).port;
  }

  fail(fault: LineFault, lateMs = 0): void {
    this.#fault = fault;
    this.#lateMs = lateMs;
  }

  /** What a fault has swallowed stays lost: connections that it has struck are cut. */
  heal(): void {
    const spoilt = this.#fault === 'blackhole' || this.#fault === 'half-open';
    this.#fault = null;
    if (spoilt) this.cutAll();
  }

  /** Resets every connection. */
  cutAll(): void {
    for (const [client, server] of this.#pairs) {
      this.struck++;
      client.resetAndDestroy();
      server?.resetAndDestroy();
    }
  }

  /** Refuses connections, and cuts those that there are. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cutAll();
    await closed;
    this.struck++;
  }

  async reopen(): Promise<void> {
    this.#server = this.#make();
    await this.listen();
  }

  #make(): Server {
    return createServer((client) => this.#join(client));
  }

  #join(client: Socket): void {
    client.on('error', () => {});
    if (this.#fault === 'reset-new') {
      this.struck++;
      return void client.resetAndDestroy();
    }
    if (this.#fault === 'half-open') {
      this.struck++;
      const alone = [client, null] as const;
      this.#pairs.add(alone);
      client.once('close', () => this.#pairs.delete(alone)).resume();
      return;
    }
    const server = connect(this.#to.port, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    server.on('error', () => client.resetAndDestroy());
    client.once('close', () => {
      this.#pairs.delete(pair);
      // An end that a black hole swallows is not told.
      if (this.#fault !== 'blackhole') server.destroy();
      else setTimeout(() => server.destroy(), 5_000).unref();
    });
    server.once('close', () => {
      if (this.#fault !== 'blackhole') client.destroySoon();
    });
    this.#pass(client, server, false);
    this.#pass(server, client, true);
  }

  #pass(from: Socket, to: Socket, isAnswer: boolean): void {
    let passed = 0;
    // Pieces that are held back; whatever comes meanwhile stays behind them.
    let held = 0;
    const holdBack = (piece: Buffer): void => {
      held++;
      setTimeout(() => {
        held--;
        write(from, to, piece);
      }, this.#lateMs);
    };
    from.on('data', (piece: Buffer) => {
      const fault = this.#fault;
      if (held > 0) return holdBack(piece);
      if (fault === null || fault === 'reset-new' || fault === 'half-open') return write(from, to, piece);
      this.struck++;
      if (fault === 'blackhole') return;
      if (!isAnswer && fault !== 'late') return write(from, to, piece);
      passed += piece.length;
      if (fault === 'corrupt') return write(from, to, spoilt(piece));
      if (fault === 'cut' && passed > CUT_AFTER) {
        to.write(piece.subarray(0, 40), () => to.resetAndDestroy());
        return void from.resetAndDestroy();
      }
      if (fault === 'late') return holdBack(piece);
      if (fault === 'slices') return slice(from, to, piece);
      if (fault === 'slow') return drip(from, to, piece);
      write(from, to, piece);
    });
  }
}

function write(from: Socket, to: Socket, piece: Buffer): void {
  if (!to.writable || to.write(piece)) return;
  from.pause();
  to.once('drain', () => from.resume());
}

function spoilt(piece: Buffer): Buffer {
  const copy = Buffer.from(piece);
  for (let at = 3; at < copy.length; at += 61) copy[at] = copy[at]! ^ 0x80;
  return copy;
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
