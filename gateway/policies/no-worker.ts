import { GatewayError } from '../core/errors.ts';
import type { WorkerDirectory } from '../core/worker.ts';

/** For those who come back by the clock and not by themselves. */
const HOPELESS_RETRY_MS = 60_000;

/** Why a model that we know cannot be served just now, in words for the client. */
export function noWorkerError(directory: WorkerDirectory, model: string): GatewayError {
  const entry = directory.resolve(model);
  const etaSeconds = entry?.etaSeconds ?? null;
  const workers = directory.workers();
  // Nobody starts those that were listed; they are there or not.
  const isLost = entry?.state === 'loading' && !entry.loadable && workers.every(({ view }) => view.lastFailure !== null);
  if (isLost) {
    return new GatewayError('no_worker', `The model ${model} is not available. Its workers cannot be reached, or are not well.`, {
      retryAfterMs: 5000,
    });
  }
  if (entry?.state === 'loading' || (entry?.state === 'available' && entry.loadable)) {
    const eta = etaSeconds === null ? '' : ` It should be ready in about ${Math.max(1, Math.round(etaSeconds))} s.`;
    const how = entry.state === 'loading' ? 'is loading' : 'has to be loaded first';
    return new GatewayError('model_loading', `The model ${model} ${how}.${eta}`, { retryAfterMs: (etaSeconds ?? 5) * 1000 });
  }
  // Only a supervisor's workers are ever at rest, and only because they were told to.
  const isDrained = entry?.loadable !== true && workers.length > 0 && workers.every(({ view }) => view.state === 'idle');
  const hopeless = entry?.state === 'failed' || isDrained;
  const why =
    entry?.state === 'failed'
      ? 'Its worker failed to start; the operator has been told why.'
      : isDrained
        ? 'Its worker was taken out of service by an operator.'
        : 'No worker that serves it is ready.';
  const retryAfterMs = hopeless ? HOPELESS_RETRY_MS : (etaSeconds ?? 5) * 1000;
  return new GatewayError('no_worker', `The model ${model} is not available. ${why}`, { retryAfterMs, hopeless });
}
