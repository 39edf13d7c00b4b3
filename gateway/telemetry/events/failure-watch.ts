import type { WorkerFailure, WorkerView } from '../../core/worker.ts';

/** Workers whose failures are remembered, and failures of each; beyond, the one told of longest ago is forgotten. */
const MAX_WORKERS = 1000;
const MAX_OF_EACH = 50;

/** Tells failures that have just happened from those that a worker's views go on telling of. */
export class FailureWatch {
  /** By worker, which may show those of its models by turns; in the order in which they were told of last. */
  readonly #known = new Map<string, Set<string>>();

  /** The failure that a view is the first to tell of; null where it has none, or an old one. */
  newIn({ id, lastFailure }: WorkerView): WorkerFailure | null {
    if (!lastFailure) return null;
    let marks = this.#known.get(id);
    if (!marks) {
      this.#known.set(id, (marks = new Set()));
      if (this.#known.size > MAX_WORKERS) forgetFirst(this.#known);
    }
    const mark = `${lastFailure.at} ${lastFailure.class}`;
    const isOld = marks.delete(mark);
    marks.add(mark);
    if (marks.size > MAX_OF_EACH) forgetFirst(marks);
    return isOld ? null : lastFailure;
  }
}

function forgetFirst(known: Map<string, unknown> | Set<string>): void {
  for (const first of known.keys()) return void known.delete(first);
}
