import type { Log } from '../../core/log/log.ts';

/** Says that a worker answers what it was not asked. Called once a worker. */
export function unaskedAnswer(log: Log, worker: string): void {
  const message =
    'The worker sent bytes that no request asked for, or the answer to another request: such a connection is closed, and for ten minutes ' +
    'each request to it gets a connection of its own. A proxy in front of it that answers a request twice is the usual cause.';
  log.warn('worker.unasked', message, { worker });
}

/** Says that a worker has not a model that it was taken to serve. Called when it says so first, and again only after it has served it. */
export function unservedModel(log: Log, worker: string, model: string): void {
  const message =
    'The worker says of a model that it was taken to serve that it has no such model, or, being a gateway, nobody for it. Such calls go to ' +
    'another worker while one has it, and this one is asked for its models again. A server restarted with other weights, an adapter that was unloaded, and workers[].models ' +
    'that names what the worker does not serve are the usual causes.';
  log.warn('worker.unserved', message, { worker, model });
}
