import type { Server } from 'node:http';
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
  /** New connections are refused; what is open stays. */
  stopAccepting(): void;
  /** Takes nothing new, and cuts what is open. */
  close(): Promise<void>;
}

/** Opens one port for everything, or, where `admin` is one, another for operators beside the API's. @throws when one is taken */
export async function openListeners(api: Address, admin: Address | null, create: (surface: Surface) => Server): Promise<Listeners> {
  const servers: Server[] = [];
  const listening: Listening[] = [];
  async function close(): Promise<void> {
    for (const one of servers) one.closeAllConnections();
    await Promise.all(listening.map((one) => one.close()));
  }
  async function open(surface: Surface, { host, port, isOurs, sockets }: Address): Promise<string> {
    const one = create(surface);
    const opened = await listen(one, host, port, isOurs, sockets);
    servers.push(one);
    listening.push(opened);
    return opened.url;
  }
  try {
    const url = await open(admin === null ? 'both' : 'api', api);
    const adminUrl = admin && (await open('admin', admin));
    return { url, adminUrl, servers, stopAccepting: () => void listening.map((one) => one.close()), close };
  } catch (error) {
    await close();
    throw error;
  }
}
