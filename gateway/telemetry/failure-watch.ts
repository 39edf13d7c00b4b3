import type { WorkerFailure, WorkerView } from '../core/worker.ts';

/** Models on workers whose last failure is remembered; beyond, the one heard of first is forgotten. */
const MAX_KEPT = 1000;

/** Tells failures that have just happened from those that a worker's views go on telling of. */
export class FailureWatch {
  /** The last failure of each model on each worker: one that takes turns shows those of its models by turns. */
  readonly #known = new Map<string, string | null>();

  /** The failure that a view is the first to tell of; null where it has none, or an old one. To be asked once for each view. */
  newIn(view: WorkerView): WorkerFailure | null {
    const failure = view.lastFailure;
    const key = `${view.id} ${view.models[0]?.id ?? ''}`;
    const mark = failure && `${failure.at} ${failure.class}`;
    if (this.#known.get(key) === mark) return null;
    this.#known.set(key, mark);
    if (this.#known.size > MAX_KEPT) this.#forgetOldest();
    return failure;
  }

  #forgetOldest(): void {
    for (const oldest of this.#known.keys()) return void this.#known.delete(oldest);
  }
}
