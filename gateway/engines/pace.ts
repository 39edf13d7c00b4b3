import type { Pace } from '../core/worker.ts';

/** The share of each new time in the mean: the last ten calls or so count. */
const WEIGHT = 0.2;
/** A bad time is forgotten by half in so long: what gets no calls cannot show that it is better. */
const HALF_LIFE_MS = 10_000;
/** So that what has been slow is not left alone for minutes. */
const MOST_STRAIN = 100;
/** First bytes that come sooner are all alike: what is left is the network, and chance. */
const LEAST_MS = 20;
/** What failures of all calls come to, beside 1 for none. */
const FAILURE_STRAIN = 9;
/** How fast the best time is forgotten, an answer at a time: another model, or another way there, has another. */
const DRIFT = 1.002;

/** The least that any worker which tells no load has taken for a first byte: what all of them are measured by. */
export class PaceFloor {
  readonly #best = new WeakMap<object, number>();
  readonly #all: WeakRef<object>[] = [];
  #leastMs = Infinity;

  get ms(): number {
    return this.#leastMs;
  }

  note(who: object, ms: number): void {
    const before = this.#best.get(who);
    if (before === undefined) this.#all.push(new WeakRef(who));
    this.#best.set(who, Math.max(LEAST_MS, Math.min(ms, (before ?? Infinity) * DRIFT)));
    let least = Infinity;
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const each = this.#all[i]!.deref();
      if (each === undefined) this.#all.splice(i, 1);
      else least = Math.min(least, this.#best.get(each)!);
    }
    this.#leastMs = least;
  }
}

/**
 * How much more loaded a worker is than our own calls there tell, as far as its answers show: by how much longer its first bytes take than
 * the fastest of its kind took at best, and by how many of its calls fail. Of the time only streams tell: a whole answer takes as long as
 * it is. Costs a few multiplications a call, and nothing for those that tell their load (they have none of these).
 */
export class EnginePace implements Pace {
  readonly #floor: PaceFloor;
  #firstMs: number | null = null;
  #failures = 0;
  #at = -Infinity;

  constructor(floor: PaceFloor) {
    this.#floor = floor;
  }

  answered(ms: number, now: number): void {
    this.#firstMs = this.#firstMs === null ? ms : this.#firstMs + (ms - this.#firstMs) * WEIGHT;
    this.#floor.note(this, ms);
    this.#at = now;
  }

  ended(failed: boolean, now: number): void {
    this.#failures += ((failed ? 1 : 0) - this.#failures) * WEIGHT;
    if (failed) this.#at = now;
  }

  strain(now: number): number {
    if (this.#firstMs === null && this.#failures === 0) return 1;
    const slow = this.#firstMs === null ? 1 : Math.max(1, this.#firstMs / this.#floor.ms);
    const strain = Math.min(MOST_STRAIN, slow * (1 + FAILURE_STRAIN * this.#failures));
    return 1 + (strain - 1) * 0.5 ** (Math.max(0, now - this.#at) / HALF_LIFE_MS);
  }
}
