import type { Server } from 'node:net';
import { freePort } from '../../shows/own-ports.ts';

const MOST_TRIES = 5;

/**
 * Has a server listen on 127.0.0.1. `port`: where; 0: on a free port, and on another if somebody else takes it meanwhile. `another`: makes
 * the next server to be tried, since one that has failed may not be used again. @returns the port
 */
export async function listenOn(server: () => Server, port: number, another: () => unknown): Promise<number> {
  for (let tries = 1; ; tries++) {
    const at = port === 0 ? await freePort() : port;
    try {
      await listening(server(), at);
      return at;
    } catch (error) {
      if (port !== 0 || tries === MOST_TRIES) throw error;
      another();
    }
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
