import type { Log } from '../../core/log/log.ts';

/** Says that a worker answers what it was not asked. Called once a worker. */
export function unaskedAnswer(log: Log, worker: string): void {
  const message =
    'The worker sent bytes that no request asked for, or the answer to another request: such a connection is closed, and for ten minutes ' +
    'each request to it gets a connection of its own. A proxy in front of it that answers a request twice is the usual cause.';
  log.warn('worker.unasked', message, { worker });
}
