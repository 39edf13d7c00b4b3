import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** Hands out the loopback ports of a range, in turn, so that a port just given up is not the next to be used. */
export class PortPool {
  readonly #first: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next = 0;

  constructor(range: readonly [number, number]) {
    this.#first = Math.min(...range);
    this.#count = Math.abs(range[1] - range[0]) + 1;
  }

  /** A port that nobody listens on at this moment; null when the range has none. It stays ours until `release`. */
  async take(): Promise<number | null> {
    for (let tried = 0; tried < this.#count; tried += 1) {
      const port = this.#first + (this.#next % this.#count);
      this.#next += 1;
      if (this.#taken.has(port)) continue;
      // Before the check is awaited, so that two workers that ask at once do not get the same.
      this.#taken.add(port);
      if (await isFree(LOOPBACK, port)) return port;
      this.#taken.delete(port);
    }
    return null;
  }

  /** Whether nobody listens on the port at this moment. */
  isFree(port: number): Promise<boolean> {
    return isFree(LOOPBACK, port);
  }

  /** Keeps a port from being handed out: it is in use by one of ours already. */
  reserve(port: number): void {
    this.#taken.add(port);
  }

  release(port: number): void {
    this.#taken.delete(port);
  }
}

/** Whether nobody listens there at this moment. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
