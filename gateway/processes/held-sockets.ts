import { lookup } from 'node:dns/promises';
import * as net from 'node:net';

/** Sockets that accept for one process: see gateway/http/listen.ts. */
const ACCEPTORS = 8;
const REUSE_PORT = 2;

/** A socket that is bound and does not listen. */
interface BoundHandle {
  readonly fd: number;
  getsockname(into: { port?: number }): number;
  close(): void;
}

/** Not documented, and what node:cluster makes its own sockets with; there is no other way to have one without accepting from it. */
type CreateHandle = (address: string, port: number, type: 4 | 6, fd: -1, flags: number) => BoundHandle | number;
const createHandle = (net as unknown as { _createServerHandle?: CreateHandle })._createServerHandle;

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What is held of the port of the API, and of the admin's where that is another. */
export class HeldPorts {
  #api: HeldSockets | null = null;
  #admin: HeldSockets | null = null;

  /** @throws EADDRINUSE, EACCES */
  async open(api: Address, admin: Address | null): Promise<void> {
    this.#api = await HeldSockets.at(api);
    this.#admin = admin && (await HeldSockets.at(admin));
  }

  /** For the process in this place; null where it has to make its own. */
  of(index: number): { readonly api: readonly number[] | null; readonly admin: readonly number[] | null } {
    return { api: this.#api?.of(index) ?? null, admin: this.#admin?.of(index) ?? null };
  }

  /** Nobody listens there for a while: connections are to go to others. */
  drop(index: number): void {
    this.#api?.drop(index);
    this.#admin?.drop(index);
  }

  close(): void {
    this.#api?.close();
    this.#admin?.close();
  }
}

/**
 * The sockets on which processes listen, each on some of its own, held open here as well: what clients of a process that dies have sent it
 * and it has not accepted is not lost, but accepted by the process in its place.
 *
 * The kernel spreads connections over them: of 64 some 30 to each of two processes, of 8 it may be 2 and 6. Handed over one at a time by a
 * process that accepts for all they are spread evenly, but 500 new clients of two busy processes (turns of 10 ms) had their answers after
 * 4.3 s, and so after 0.7 s. On sockets that all processes share nothing would be lost either, and of 64 connections one may get 55.
 */
class HeldSockets {
  readonly #address: string;
  readonly #family: 4 | 6;
  #port: number;
  readonly #held = new Map<number, readonly BoundHandle[]>();

  private constructor(address: string, family: 4 | 6, port: number) {
    this.#address = address;
    this.#family = family;
    this.#port = port;
  }

  /** null: this Node cannot do that, and processes have to listen by themselves. @throws EADDRINUSE, EACCES */
  static async at({ host, port }: Address): Promise<HeldSockets | null> {
    if (createHandle === undefined) return null;
    const { address, family } = await lookup(host);
    // Whoever shares a port is told of no other that does.
    if (port !== 0) await isFree(address, port);
    const held = new HeldSockets(address, family === 6 ? 6 : 4, port);
    return held.of(0) === null ? null : held;
  }

  /** The descriptors of the sockets of the process in this place; null where they cannot be had. */
  of(index: number): readonly number[] | null {
    let handles = this.#held.get(index);
    if (!handles) {
      const made = this.#make();
      if (made === null) return null;
      this.#held.set(index, (handles = made));
    }
    return handles.map(({ fd }) => fd);
  }

  drop(index: number): void {
    for (const handle of this.#held.get(index) ?? []) handle.close();
    this.#held.delete(index);
  }

  close(): void {
    for (const index of [...this.#held.keys()]) this.drop(index);
  }

  #make(): BoundHandle[] | null {
    const handles: BoundHandle[] = [];
    while (handles.length < ACCEPTORS) {
      const handle = createHandle!(this.#address, this.#port, this.#family, -1, REUSE_PORT);
      if (typeof handle === 'number') {
        for (const made of handles) made.close();
        return null;
      }
      handles.push(handle);
      const name: { port?: number } = {};
      if (this.#port === 0 && handle.getsockname(name) === 0) this.#port = name.port ?? 0;
    }
    return handles;
  }
}

function isFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen({ host, port }, () => server.close(() => resolve()));
  });
}
