import { shownSpan } from '../report/numbers.ts';

/** What a terminal is shown while a run goes on. Times in milliseconds since its start. */
export class TuneLine {
  #done: number;
  #left = 0;
  #point = '';
  #phase = '';
  #pointBegan = 0;
  #meanMs = NaN;

  /** `done`: points that an earlier life of the run has measured. */
  constructor(done: number) {
    this.#done = done;
  }

  /** `left`: launches that there may be, this one among them; `meanMs`: how long one takes as far as is known. */
  next(point: string, left: number, meanMs: number, nowMs: number): void {
    this.#point = point;
    this.#left = left;
    this.#meanMs = meanMs;
    this.#pointBegan = nowMs;
    this.#phase = '';
  }

  phase(phase: string): void {
    this.#phase = phase;
  }

  ended(): void {
    this.#done += 1;
  }

  text(nowMs: number): string {
    const spentMs = nowMs - this.#pointBegan;
    // One that takes longer than usual is about to end, as far as anyone knows.
    const leftMs = this.#meanMs * (this.#left - 1) + Math.max(0, this.#meanMs - spentMs);
    const eta = Number.isNaN(leftMs) ? '' : ` · ${shownSpan(leftMs)} left at most`;
    return `${this.#done} of at most ${this.#done + this.#left} points · ${this.#point} ${this.#phase} (${shownSpan(spentMs)})${eta}`;
  }
}
