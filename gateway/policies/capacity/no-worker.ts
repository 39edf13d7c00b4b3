import { type ErrorDetails, GatewayError } from '../../core/errors.ts';
import { servedAs } from '../../core/pools/served-name.ts';
import type { Worker, WorkerDirectory, WorkerState } from '../../core/worker.ts';

/** The time is for those who come back by the clock and not by themselves. */
const HOPELESS: ErrorDetails = { hopeless: true, retryAfterMs: 60_000 };

const AT_REST: ReadonlySet<WorkerState> = new Set(['idle', 'draining', 'drained']);

/** Why a model that we know cannot be served just now, in words for the client. */
export function noWorkerError(directory: WorkerDirectory, model: string): GatewayError {
  const entry = directory.resolve(model);
  // One that has not told what it serves may be one of them; where none has the model, any may be given it.
  const own = directory.workers().filter((worker) => worker.view.models.length === 0 || servedAs(directory, worker, model) !== null);
  const workers = own.length > 0 ? own : directory.workers();
  const etaSeconds = entry?.etaSeconds ?? null;
  const retryAfterMs = (etaSeconds ?? 5) * 1000;
  const refused = (why: string, details: ErrorDetails) =>
    new GatewayError('no_worker', `The model ${model} is not available. ${why}`, details);
  // Nobody starts workers that were listed; they are there or not.
  if (entry?.state === 'loading' && !entry.loadable && workers.length > 0 && workers.every(({ view }) => view.lastFailure !== null))
    return refused(whyUnwell(workers), { retryAfterMs });
  if (entry?.state === 'loading' || (entry?.state === 'available' && entry.loadable)) {
    const eta = etaSeconds === null ? '' : ` It should be ready in about ${Math.max(1, Math.round(etaSeconds))} s.`;
    const untilMs = lentUntil(workers, model);
    const how =
      untilMs !== null
        ? `is not loaded: its GPU is lent to another program until ${new Date(untilMs).toISOString().slice(11, 16)} UTC`
        : entry.state === 'loading'
          ? 'is loading'
          : 'has to be loaded first';
    return new GatewayError('model_loading', `The model ${model} ${how}.${eta}`, { retryAfterMs, namesTime: etaSeconds !== null });
  }
  if (entry?.state === 'failed') return refused('Its worker failed to start; the operator has been told why.', HOPELESS);
  // They are at rest only because they were told to.
  if (!entry?.loadable && workers.length > 0 && workers.every(({ view }) => AT_REST.has(view.state)))
    return refused('Its worker was taken out of service by an operator.', { hopeless: true });
  return refused('No worker that serves it is ready.', { retryAfterMs });
}

/** Until when the cards are lent of all workers that have the model, or are about to have it; null: not of all. */
function lentUntil(workers: readonly Worker[], model: string): number | null {
  const own = workers.filter(({ view }) => view.models.some(({ id }) => id === model));
  const ends = own.map(({ view }) => view.lent?.untilMs ?? null);
  return ends.length === 0 || ends.includes(null) ? null : Math.min(...ends.filter((end) => end !== null));
}

/** By the class of failure that listed workers are out of service for. */
const WHY: Readonly<Record<string, string>> = {
  asleep: 'Its worker was put to sleep, and is not awake yet.',
  paused: 'Its worker was paused, and is not resumed yet.',
  stopping: 'Its worker is being shut down and takes no new requests.',
  loading: 'Its worker is loading its model.',
};

function whyUnwell(workers: readonly Worker[]): string {
  const classes = new Set(workers.map(({ view }) => view.lastFailure?.class ?? ''));
  return (classes.size === 1 && WHY[[...classes][0]!]) || 'Its workers cannot be reached, or are not well.';
}
