import { backOffMs } from '../core/back-off.ts';

const DELAY = { firstMs: 100, longestMs: 30_000 };
/** One that lived this long was well: the delay before the next start is the first again. */
const WELL_MS = 60_000;
/** Starts in a row that came to nothing, after which another is no use. */
const MOST_FAILED_STARTS = 5;

/** When one of the processes is started again, and when no more. */
export class Restarts {
  #soon = 0;
  #failedStarts = 0;

  /** It has ended. `listened`: it had come so far as to serve. @returns the delay before the next start; null: there is to be none */
  after(livedMs: number, listened: boolean): number | null {
    this.#failedStarts = listened ? 0 : this.#failedStarts + 1;
    if (this.#failedStarts >= MOST_FAILED_STARTS) return null;
    this.#soon = listened && livedMs > WELL_MS ? 0 : this.#soon + 1;
    return backOffMs(DELAY, this.#soon - 1 < 0 ? 0 : this.#soon - 1);
  }
}
