import type { Call } from '../../core/call.ts';

/** What interactive calls of a model have seen since the last look. */
export interface Seen {
  /** The longest that one of them waited for a place. */
  readonly waitedMs: number;
  /** The median of their times to the first byte; null: none has had one. */
  readonly firstMs: number | null;
}

/** How many lines of a model may run, by what interactive calls see. */
export interface Pace {
  /** Infinity: as many as there is room for. */
  readonly most: number;
  /** The best median of this stretch of time and of the one before; Infinity: none yet. */
  readonly best: number;
  readonly bestBefore: number;
  readonly stretchSince: number;
  /** Monotonic ms at which an interactive call was seen last. */
  readonly seenAt: number;
}

export const FREE_PACE: Pace = { most: Infinity, best: Infinity, bestBefore: Infinity, stretchSince: -Infinity, seenAt: -Infinity };

/** Without interactive calls for so long, lines may have all there is. */
const QUIET_MS = 3_000;
/** For so long a good time is remembered, and for as long again: what is usual changes with prompts and models. */
const STRETCH_MS = 300_000;
/** A wait of less is none: a place came free within a turn or two. */
const WAIT_MS = 20;
/** A first byte is late that takes more than twice the best time and this. */
const SLACK_MS = 50;

/**
 * Additive increase, multiplicative decrease: where an interactive call waited for a place, or the median of their first bytes is more than
 * twice the best that was seen in the last minutes, half as many lines may run as did; else a few more than do. No objective has to be set:
 * what calls see while few lines run is what they are to see. Never less than one line. Pure.
 * @param seen null: no interactive call since the last look @param running lines that run now
 */
export function paced(pace: Pace, seen: Seen | null, running: number, now: number): Pace {
  if (seen === null) return now - pace.seenAt >= QUIET_MS && pace.most !== Infinity ? { ...pace, most: Infinity } : pace;
  const isOver = now - pace.stretchSince >= STRETCH_MS;
  const before = isOver ? pace.best : pace.bestBefore;
  const best = Math.min(isOver ? Infinity : pace.best, seen.firstMs ?? Infinity);
  const usual = Math.min(best, before);
  const isLate = seen.firstMs !== null && seen.firstMs > 2 * usual + SLACK_MS;
  const start = Math.min(pace.most, Math.max(1, running));
  const most = seen.waitedMs > WAIT_MS || isLate ? Math.max(1, Math.floor(start / 2)) : grown(pace.most, running);
  return { most, best, bestBefore: before, stretchSince: isOver ? now : pace.stretchSince, seenAt: now };
}

/** More only where what is allowed is used: an allowance that nobody needs says nothing. */
function grown(most: number, running: number): number {
  if (most === Infinity) return Math.max(1, running);
  return running >= most ? most + Math.max(1, Math.floor(most / 16)) : most;
}

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
