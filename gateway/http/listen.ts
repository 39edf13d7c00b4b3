import type { Server } from 'node:http';
import { createServer, type AddressInfo, type ListenOptions, type Server as NetServer } from 'node:net';

/** Connections that may wait to be accepted: a burst of new clients is no reason to refuse any. */
const BACKLOG = 4_096;
/**
 * Sockets that accept on one port. libuv accepts one connection of a socket each turn of the event loop, which with thousands of streams is
 * one in many milliseconds: 500 clients had their answers after 8.5 s with one socket, and after 1.4 s with eight (turns of 10 ms).
 */
const ACCEPTORS = 8;

/** What accepts for one server. */
export interface Listening {
  readonly url: string;
  /** Accepts nothing more. Resolves when every connection is closed. */
  close(): Promise<void>;
}

/**
 * Starts listening. Port 0 takes any free one. `isOurs`: other processes of this gateway listen there already, or did. `sockets`: bound
 * by whoever keeps this process, to be listened on instead. @throws EADDRINUSE, EACCES
 */
export async function listen(
  server: Server,
  host: string,
  port: number,
  isOurs = false,
  sockets: readonly number[] | null = null,
): Promise<Listening> {
  if (sockets !== null) return listenOn(server, sockets);
  // Whoever shares a port is told of no other that does: only a socket that does not share it finds out.
  if (port !== 0 && !isOurs) await close(await opened(createServer(), host, port, false));
  const all: NetServer[] = [];
  try {
    const shared = await open(server, host, port);
    all.push(server);
    const { port: taken } = server.address() as AddressInfo;
    while (shared && all.length < ACCEPTORS) {
      all.push(await opened(acceptorFor(server), host, taken, true));
    }
  } catch (error) {
    await Promise.all(all.map(close));
    throw error;
  }
  return listening(server, all);
}

/** On sockets that are bound already, by their descriptors. */
async function listenOn(server: Server, sockets: readonly number[]): Promise<Listening> {
  const all: NetServer[] = [];
  for (const fd of sockets) {
    const acceptor = all.length === 0 ? server : acceptorFor(server);
    all.push(await openedWith(acceptor, { fd, backlog: BACKLOG }));
  }
  return listening(server, all);
}

function acceptorFor(server: Server): NetServer {
  return createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, server.emit.bind(server, 'connection'));
}

function listening(server: Server, all: readonly NetServer[]): Listening {
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: async () => void (await Promise.all(all.map(close))),
  };
}

/** @returns whether others may listen on its port too, which not every system can have. */
async function open(server: NetServer, host: string, port: number): Promise<boolean> {
  try {
    await opened(server, host, port, true);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error;
    await opened(server, host, port, false);
    return false;
  }
}

function opened<S extends NetServer>(server: S, host: string, port: number, reusePort: boolean): Promise<S> {
  return openedWith(server, { host, port, backlog: BACKLOG, reusePort });
}

function openedWith<S extends NetServer>(
  server: S,
  options: ListenOptions | { readonly fd: number; readonly backlog: number },
): Promise<S> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options as ListenOptions, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function close(server: NetServer): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}
