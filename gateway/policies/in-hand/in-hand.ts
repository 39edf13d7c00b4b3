import type { Attempt } from '../../core/attempt.ts';
import { Bag, type Member } from '../../core/bag/bag.ts';
import type { Call } from '../../core/call.ts';
import type { Worker } from '../../core/worker.ts';
import type { Underway } from '../relay/attempt-result.ts';

/** An attempt that a worker has in hand. */
export interface Held extends Member {
  readonly worker: Worker;
  readonly attempt: Attempt;
  readonly call: Call;
  /** Ends it; null before it is on its way, and when it is over. */
  underway: Underway | null;
}

const NONE: Iterable<Held> = [];

/** What each worker has in hand. */
export class InHand {
  readonly #byWorker = new Map<string, Bag<Held>>();

  /** An attempt is on its way to its worker. */
  begin(worker: Worker, attempt: Attempt, call: Call): Held {
    let bag = this.#byWorker.get(worker.id);
    if (bag === undefined) this.#byWorker.set(worker.id, (bag = new Bag()));
    const held: Held = { slot: -1, worker, attempt, call, underway: null };
    bag.add(held);
    return held;
  }

  end(held: Held): void {
    held.underway = null;
    this.#byWorker.get(held.attempt.worker)?.remove(held);
  }

  of(worker: string): Iterable<Held> {
    return this.#byWorker.get(worker) ?? NONE;
  }

  keys(): Iterable<string> {
    return this.#byWorker.keys();
  }

  /** Of a worker that has left the list what it still has is known until it ends. */
  delete(worker: string): void {
    if (this.#byWorker.get(worker)?.size === 0) this.#byWorker.delete(worker);
  }
}
