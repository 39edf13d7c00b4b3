import type { Listener } from '../../core/fan-out.ts';
import { failuresIn, readHistory } from '../../core/history/read-history.ts';
import type { WorkerFailure } from '../../core/worker.ts';

interface LastFailures extends Listener {
  /** The last failure of a worker that anybody knows of; null where none does. */
  of(worker: string): WorkerFailure | null;
}

/** Workers that are remembered; beyond, the one told of longest ago is forgotten. */
const MAX_WORKERS = 1000;

/**
 * The last failure of each worker, over restarts of its supervisor, which forgets, and of this gateway, which reads up in the history of
 * `stateDir` when it is first asked. null: nothing was taken down.
 */
export function lastFailures(stateDir: string | null): LastFailures {
  const seen = new Map<string, WorkerFailure>();
  let before: ReadonlyMap<string, WorkerFailure> | null = null;
  return {
    workerChanged({ id, lastFailure }) {
      if (lastFailure === null) return;
      seen.delete(id);
      seen.set(id, lastFailure);
      if (seen.size > MAX_WORKERS) for (const oldest of seen.keys()) return void seen.delete(oldest);
    },
    of(worker) {
      before ??= stateDir === null ? new Map() : failuresIn(readHistory(stateDir));
      return seen.get(worker) ?? before.get(worker) ?? null;
    },
  };
}
