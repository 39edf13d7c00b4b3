import type { Call } from '../../core/call.ts';
import type { Seen } from './pace.ts';

/** More say no more. */
const MOST_TIMES = 256;

/** What interactive calls of one model see while lines of it are in hand. */
export class Sight {
  #waitedMs = 0;
  #times: number[] = [];
  #isSeen = false;

  admitted({ journey }: Call): void {
    this.#isSeen = true;
    this.#waitedMs = Math.max(this.#waitedMs, journey.queueMs);
  }

  ended({ peek, attempts, arrivedAt }: Call): void {
    this.#isSeen = true;
    const firstByteAt = attempts.at(-1)?.firstByteAt ?? null;
    // Of an answer in one piece the first byte tells how long it is.
    if (peek.stream && firstByteAt !== null && this.#times.length < MOST_TIMES) this.#times.push(firstByteAt - arrivedAt);
  }

  /** What was seen since it was asked last; null: nobody came. */
  take(): Seen | null {
    if (!this.#isSeen) return null;
    const times = this.#times.toSorted((one, other) => one - other);
    const seen: Seen = { waitedMs: this.#waitedMs, firstMs: times[Math.floor(times.length / 2)] ?? null };
    [this.#waitedMs, this.#times, this.#isSeen] = [0, [], false];
    return seen;
  }
}
