import type { Clock, Timer } from '../core/clock.ts';

/** After work of a millisecond nothing is done for four: where nothing is urgent, it takes a fifth of the time. */
const REST = 4;
const LONGEST_REST_MS = 250;

/** Work that takes in all that has changed, and takes the longer the more there is: what comes while it rests is done at once, afterwards. */
export class Rationed {
  readonly #clock: Clock;
  readonly #work: () => void;
  #restsUntil = -Infinity;
  #planned: Timer | null = null;

  constructor(clock: Clock, work: () => void) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Now where it does not rest, otherwise when it has. */
  soon(): void {
    if (this.#planned !== null) return;
    const restMs = this.#restsUntil - this.#clock.now();
    if (restMs <= 0) this.now();
    else this.#planned = this.#clock.after(restMs, () => this.now());
  }

  now(): void {
    this.close();
    const began = this.#clock.now();
    this.#work();
    const ended = this.#clock.now();
    this.#restsUntil = ended + Math.min(REST * (ended - began), LONGEST_REST_MS);
  }

  /** What was planned is not done any more. */
  close(): void {
    this.#planned?.cancel();
    this.#planned = null;
  }
}
