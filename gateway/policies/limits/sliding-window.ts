/** Takes within this are one entry: it decides how many there are at most, and how much later than it could an amount is free again. */
const GRAIN = 60;

interface Entry {
  readonly number: number;
  readonly beganAt: number;
  /** When the last of it was taken: it counts until a whole span after that. */
  lastAt: number;
  amount: number;
}

/** What was taken, for a correction later. */
export interface Taken {
  readonly entry: number;
  readonly amount: number;
}

/**
 * How much was taken within the last `spanMs`, so that within no such span, wherever it begins, more is taken than the limit. A bucket that
 * refills would let through twice as much in the span that begins when it is full; a window that is fixed, at its edge.
 *
 * Times are monotonic milliseconds; one that steps back counts as no time.
 */
export class SlidingWindow {
  readonly #spanMs: number;
  /** Oldest first. */
  readonly #entries: Entry[] = [];
  #sum = 0;
  #next = 0;
  #now = -Infinity;

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  /** What counts at `now`. */
  used(now: number): number {
    this.#forget(now);
    return this.#sum;
  }

  /** Milliseconds until `amount` more would fit; 0: it does now; Infinity: never, since it is more than the limit. */
  waitMs(amount: number, limit: number, now: number): number {
    this.#forget(now);
    if (amount > limit) return Infinity;
    let left = this.#sum + amount - limit;
    if (left <= 0) return 0;
    for (const { lastAt, amount: freed } of this.#entries) {
      left -= freed;
      if (left <= 0) return Math.max(1, lastAt + this.#spanMs - this.#now);
    }
    return this.#spanMs;
  }

  /** Milliseconds until nothing counts any more. */
  emptyInMs(now: number): number {
    this.#forget(now);
    const last = this.#entries.at(-1);
    return last === undefined ? 0 : Math.max(0, last.lastAt + this.#spanMs - this.#now);
  }

  /** Takes it, whether or not it fits. */
  take(amount: number, now: number): Taken {
    this.#forget(now);
    this.#sum += amount;
    const last = this.#entries.at(-1);
    if (last !== undefined && this.#now - last.beganAt < this.#spanMs / GRAIN) {
      last.amount += amount;
      last.lastAt = this.#now;
      return { entry: last.number, amount };
    }
    this.#entries.push({ number: this.#next, beganAt: this.#now, lastAt: this.#now, amount });
    return { entry: this.#next++, amount };
  }

  /** Says how much of what was taken has been used: less is given back, more is taken now. */
  settle({ entry, amount }: Taken, used: number, now: number): void {
    this.#forget(now);
    if (used > amount) {
      this.take(used - amount, now);
      return;
    }
    const first = this.#entries[0]?.number;
    // What was taken so long ago does not count any more.
    if (first === undefined || entry < first) return;
    const found = this.#entries[entry - first]!;
    found.amount -= amount - used;
    this.#sum -= amount - used;
  }

  #forget(now: number): void {
    if (now > this.#now) this.#now = now;
    let gone = 0;
    while (gone < this.#entries.length && this.#entries[gone]!.lastAt + this.#spanMs <= this.#now)
      this.#sum -= this.#entries[gone++]!.amount;
    if (gone > 0) this.#entries.splice(0, gone);
    // Sums of fractions drift.
    if (this.#entries.length === 0) this.#sum = 0;
  }
}
