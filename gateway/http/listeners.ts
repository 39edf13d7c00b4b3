import type { Server } from 'node:http';
import { nextTurn } from '../core/turn/next-turn.ts';
import { listen, type Listening } from './listen.ts';

type Surface = 'both' | 'api' | 'admin';

interface Address {
  readonly host: string;
  readonly port: number;
  /** Other processes of this gateway listen there already. */
  readonly isOurs?: boolean;
  /** Sockets bound there by whoever keeps this process; null or absent: none. */
  readonly sockets?: readonly number[] | null;
}

export interface Listeners {
  /** Where the API is served. */
  readonly url: string;
  /** null: on the same port. */
  readonly adminUrl: string | null;
  readonly servers: readonly Server[];
  /** Resolves when none that had connected waits to be accepted any more: closing the port would reset it, unheard. */
  takeIn(): Promise<void>;
  /** New connections are refused; what is open stays. */
  stopAccepting(): void;
  /** Takes nothing new, and cuts what is open. */
  close(): Promise<void>;
}

/** Turns of the event loop without a new connection after which none waits: one is accepted in the first, and has spoken by the last. */
const QUIET_TURNS = 4;
/** Where they never stop coming. */
const MOST_TURNS = 4_096;

/** Opens one port for everything, or, where `admin` is one, another for operators beside the API's. @throws when one is taken */
export async function openListeners(api: Address, admin: Address | null, create: (surface: Surface) => Server): Promise<Listeners> {
  const servers: Server[] = [];
  const listening: Listening[] = [];
  let accepted = 0;
  async function close(): Promise<void> {
    for (const one of servers) one.closeAllConnections();
    await Promise.all(listening.map((one) => one.close()));
  }
  async function open(surface: Surface, { host, port, isOurs, sockets }: Address): Promise<string> {
    const one = create(surface);
    one.on('connection', () => accepted++);
    const opened = await listen(one, host, port, isOurs, sockets);
    servers.push(one);
    listening.push(opened);
    return opened.url;
  }
  async function takeIn(): Promise<void> {
    for (let turn = 0, quiet = 0; turn < MOST_TURNS && quiet < QUIET_TURNS; turn++) {
      const before = accepted;
      await nextTurn();
      quiet = accepted === before ? quiet + 1 : 0;
    }
  }
  try {
    const url = await open(admin === null ? 'both' : 'api', api);
    const adminUrl = admin && (await open('admin', admin));
    return { url, adminUrl, servers, takeIn, stopAccepting: () => void listening.map((one) => one.close()), close };
  } catch (error) {
    await close();
    throw error;
  }
}
