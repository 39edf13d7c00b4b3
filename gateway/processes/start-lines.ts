import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log/log.ts';
import { noteWhereabouts } from '../link/whereabouts.ts';

/** Says where the gateway is reached. `adminUrl` null: on the same port. `keyFile` null: the key is set, or there is none. */
export function tellListening(log: Log, url: string, adminUrl: string | null, keyFile: string | null, processes = 1): void {
  if (adminUrl !== null) log.info('listening', `admin on ${adminUrl}`);
  log.info('listening', `gateway on ${url}${processes > 1 ? `, with ${processes} processes` : ''}`);
  if (keyFile !== null) log.info('listening', `the key of /admin and /debug is in ${keyFile}`);
}

/** Writes down where it is reached, for the commands of the terminal. @returns what takes it back */
export function noteOrWarn(log: Log, clock: Clock, stateDir: string, url: string, adminUrl: string | null): () => void {
  const started = new Date(clock.wall()).toISOString();
  try {
    return noteWhereabouts(stateDir, { pid: process.pid, url, adminUrl: adminUrl ?? url, startedAt: started });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn('whereabouts', `Commands in this folder have to be told --port, because its address could not be written down: ${reason}`);
    return () => {};
  }
}
