import type { Attempt } from '../../core/attempt.ts';
import { Bag, type Member } from '../../core/bag/bag.ts';
import type { Call } from '../../core/call.ts';
import type { Waiting } from '../relay/attempt-result.ts';

/** An attempt that a worker has in hand. */
export interface Held extends Member {
  readonly attempt: Attempt;
  readonly call: Call;
  /** Takes it back from the worker; null before it is on its way, and when its first byte is there. */
  waiting: Waiting | null;
}

const NONE: Iterable<Held> = [];

/** What each worker has in hand. */
export class InHand {
  readonly #byWorker = new Map<string, Bag<Held>>();

  /** An attempt is on its way to its worker. */
  begin(attempt: Attempt, call: Call): Held {
    let bag = this.#byWorker.get(attempt.worker);
    if (bag === undefined) this.#byWorker.set(attempt.worker, (bag = new Bag()));
    const held: Held = { slot: -1, attempt, call, waiting: null };
    bag.add(held);
    return held;
  }

  end(held: Held): void {
    held.waiting = null;
    this.#byWorker.get(held.attempt.worker)?.remove(held);
  }

  of(worker: string): Iterable<Held> {
    return this.#byWorker.get(worker) ?? NONE;
  }

  keys(): Iterable<string> {
    return this.#byWorker.keys();
  }

  /** What it still has in hand hears of its end itself. */
  delete(worker: string): void {
    this.#byWorker.delete(worker);
  }
}
