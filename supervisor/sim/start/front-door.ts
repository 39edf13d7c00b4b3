import type { Server } from 'node:http';
import { createFrontEnd, routeLines } from '../http/server.ts';
import type { Log } from '../settings/log.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { Sim } from '../engine/sim.ts';

/** Connections that are still open this long after the last answer are cut. */
const CLOSE_MS = 500;

/** The port, or Unix socket, that a server answers on. */
export class FrontDoor {
  readonly #settings: SimSettings;
  readonly #log: Log;
  readonly #server: Server;

  constructor(sim: Sim) {
    this.#settings = sim.settings;
    this.#log = sim.log;
    this.#server = createFrontEnd(sim);
  }

  /** Says what vLLM says, and listens. Rejects with EADDRINUSE. */
  async open(): Promise<void> {
    const { serves, uds, host, port } = this.#settings;
    const tasks = [...(serves.generate ? ['generate'] : []), ...(serves.pooling ? ['embed', 'score'] : [])].map((task) => `'${task}'`);
    this.#log.info('APIServer', 'entry.py:136', `Supported tasks: [${tasks.join(', ')}]`);
    this.#log.info('APIServer', 'entry.py:140', `Starting vLLM server on ${uds ?? `http://${host ?? '0.0.0.0'}:${port}`}`);
    this.#log.info('APIServer', 'launcher.py:186', 'Available routes are:');
    for (const line of routeLines(this.#settings)) this.#log.info('APIServer', 'launcher.py:195', line);
    this.#log.uvicorn(`Started server process [${process.pid}]`);
    this.#log.uvicorn('Waiting for application startup.');
    await this.#listen();
  }

  /** Accepts connections, or refuses them. */
  accept(accepting: boolean): void {
    const { listening } = this.#server;
    if (accepting && !listening) void this.#listen();
    if (accepting || !listening) return;
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Lets the answers under way end, but not for long; or for as long as their clients stay. */
  async close(patiently = false): Promise<void> {
    this.#log.uvicorn('Shutting down');
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), patiently ? 2 ** 31 - 1 : CLOSE_MS);
    await closed;
    clearTimeout(timer);
    this.#log.uvicorn('Waiting for application shutdown.');
    this.#log.uvicorn('Application shutdown complete.');
    this.#log.uvicorn(`Finished server process [${process.pid}]`);
  }

  async #listen(): Promise<void> {
    const { uds, port, host } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(uds === null ? { port, host: host ?? '0.0.0.0' } : { path: uds }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }
}
