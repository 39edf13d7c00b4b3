import type { WorkerFailure, WorkerView } from '../core/worker.ts';

/** Failures that are remembered; beyond, the one heard of first is forgotten. */
const MAX_KEPT = 1000;

/** Tells failures that have just happened from those that a worker's views go on telling of. */
export class FailureWatch {
  /** In the order in which they were heard of: a worker that takes turns shows those of its models by turns. */
  readonly #known = new Set<string>();

  /** The failure that a view is the first to tell of; null where it has none, or an old one. */
  newIn({ id, lastFailure }: WorkerView): WorkerFailure | null {
    if (!lastFailure) return null;
    const mark = `${id} ${lastFailure.at} ${lastFailure.class}`;
    if (this.#known.has(mark)) return null;
    this.#known.add(mark);
    if (this.#known.size > MAX_KEPT) this.#forgetOldest();
    return lastFailure;
  }

  #forgetOldest(): void {
    for (const oldest of this.#known) return void this.#known.delete(oldest);
  }
}
