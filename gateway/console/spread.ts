import type { Clock } from '../core/clock.ts';

const MOST_VALUES = 512;
/** What is older says nothing of now. */
const WINDOW_MS = 30_000;

/** How values of the last half minute are spread: the median, and what one in twenty is above. */
export class Spread {
  readonly #clock: Clock;
  readonly #values = new Float64Array(MOST_VALUES);
  readonly #at = new Float64Array(MOST_VALUES).fill(-Infinity);
  #next = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param now monotonic ms */
  add(value: number, now: number): void {
    this.#values[this.#next] = value;
    this.#at[this.#next] = now;
    this.#next = (this.#next + 1) % MOST_VALUES;
  }

  /** null where nothing came in that time. */
  read(): { readonly p50: number; readonly p95: number; readonly count: number } | null {
    const since = this.#clock.now() - WINDOW_MS;
    const values = this.#values.filter((_, i) => this.#at[i]! >= since).toSorted();
    if (values.length === 0) return null;
    const at = (share: number): number => Math.round(values[Math.min(values.length - 1, Math.floor(values.length * share))]! * 10) / 10;
    return { p50: at(0.5), p95: at(0.95), count: values.length };
  }
}
