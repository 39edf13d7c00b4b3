import type { Clock } from '../../core/clock.ts';
import type { WorkerFailure, WorkerView } from '../../core/worker.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { labelFrom } from '../metrics/reason-label.ts';

const MS_PER_SECOND = 1000;
/** Workers whose last model is remembered; beyond, the one seen first is forgotten. */
const MAX_WORKERS = 1000;

interface WorkerAccount {
  /** Books what has changed between two views of one worker; `previous` is null for the first, `failure` where none has just happened. */
  changed(view: WorkerView, previous: WorkerView | null, failure: WorkerFailure | null): void;
}

/**
 * Restarts, failures for want of memory, starts and swaps, read off the changes of workers' views. What happened before this
 * gateway first saw a worker is not counted: it was not there. While `counts` says no, it is only followed.
 */
export function createWorkerAccount(metrics: Metrics, clock: Clock, counts: () => boolean = () => true): WorkerAccount {
  const { counters, histograms } = metrics;
  const startedMs = clock.wall();
  /** The model each worker was last ready with, and the monotonic ms since when it has not been; null while it is. */
  const lastReady = new Map<string, { model: string; leftAt: number | null }>();

  function restarted(view: WorkerView, previous: WorkerView, failure: WorkerFailure | null): void {
    // Another model's count is another worker's past.
    if (view.models[0]?.id !== previous.models[0]?.id) return;
    const times = view.restarts - previous.restarts;
    if (times <= 0) return;
    const failed = previous.state === 'backoff' || previous.state === 'failed' || failure !== null;
    counters.worker_restarts_total.add(times, view.id, failed && view.lastFailure ? labelFrom(view.lastFailure.class) : 'requested');
  }

  function becameReady(view: WorkerView, previous: WorkerView): void {
    if (view.startedAtMs === null) return;
    // A worker that was only drained or out of sight has not started again.
    if (previous.state !== 'starting' && previous.state !== 'warming') return;
    histograms.worker_start_seconds.observe(Math.max(0, clock.wall() - view.startedAtMs) / MS_PER_SECOND);
  }

  function swapped(view: WorkerView): void {
    const before = lastReady.get(view.id);
    const model = view.models[0]?.id;
    if (view.state !== 'ready') {
      if (before) before.leftAt ??= clock.now();
      return;
    }
    if (model === undefined) return;
    if (before && before.model !== model && counts()) {
      counters.model_swaps_total.add(1, metrics.modelLabel(before.model), metrics.modelLabel(model));
      histograms.model_swap_seconds.observe(before.leftAt === null ? 0 : (clock.now() - before.leftAt) / MS_PER_SECOND);
    }
    lastReady.set(view.id, { model, leftAt: null });
    if (lastReady.size > MAX_WORKERS) for (const oldest of lastReady.keys()) return void lastReady.delete(oldest);
  }

  /** A worker that fails at once is first seen with its failure. */
  function isOurs({ at }: WorkerFailure, previous: WorkerView | null): boolean {
    return previous !== null || Date.parse(at) >= startedMs;
  }

  return {
    changed(view, previous, failure) {
      if (previous && counts()) {
        restarted(view, previous, failure);
        if (view.state === 'ready') becameReady(view, previous);
      }
      if (failure && counts() && isOurs(failure, previous) && /\boom\b/.test(failure.class))
        counters.worker_oom_total.add(1, view.id, labelFrom(failure.class.replace(/^oom-/, '')));
      swapped(view);
    },
  };
}
