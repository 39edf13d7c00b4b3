import type { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';

/** What the calls of one group came to. Times in milliseconds. */
export interface Observed {
  /** Answered whole. */
  readonly ok: number;
  readonly failed: number;
  /** Streams among those that were answered whole, and of them those that ended without a token. */
  readonly streams: number;
  readonly mute: number;
  readonly ttft: readonly number[];
  readonly tpot: readonly number[];
  readonly e2e: readonly number[];
  /** Calls of streams that have no first token yet, or whose client left without one: how long they have waited. */
  readonly unheard: readonly number[];
  /** Calls that have not ended, or whose client left before the end: how long they have taken so far. */
  readonly unended: readonly number[];
}

/** Of the latest, of each kind: a day of a busy gateway is no more than an hour of it. */
const MOST = 5_000;

/** The calls that a group of workers was asked, from some moment on. */
export class Sample {
  /** When each that is under way was sent there: monotonic ms. */
  readonly #open = new Map<Call, number>();
  readonly #ttft: number[] = [];
  readonly #tpot: number[] = [];
  readonly #e2e: number[] = [];
  readonly #leftUnheard: number[] = [];
  readonly #left: number[] = [];
  #ok = 0;
  #failed = 0;
  #streams = 0;
  #mute = 0;

  begun(call: Call, now: number): void {
    this.#open.set(call, now);
  }

  /** An attempt has ended; one that began before the sample did is none of it. */
  ended(call: Call, attempt: Attempt, now: number): void {
    const since = this.#open.get(call);
    if (since === undefined) return;
    this.#open.delete(call);
    const { verdict, failure, firstByteAt, lastByteAt, outputTokens, chunks } = attempt;
    // A connection that was gone is tried again at the same worker, and no fault of what runs there.
    if (failure === 'stale') return;
    if (verdict?.kind === 'failure' || failure !== null) {
      this.#failed++;
      return;
    }
    if (verdict?.kind !== 'success') {
      keep(this.#left, now - since);
      if (call.peek.stream && firstByteAt === null) keep(this.#leftUnheard, now - since);
      return;
    }
    this.#ok++;
    const endedAt = lastByteAt ?? now;
    keep(this.#e2e, endedAt - since);
    if (!call.peek.stream) return;
    this.#streams++;
    if (firstByteAt === null) {
      this.#mute++;
      return;
    }
    keep(this.#ttft, firstByteAt - since);
    const tokens = outputTokens ?? chunks;
    if (tokens > 1) keep(this.#tpot, (endedAt - firstByteAt) / (tokens - 1));
  }

  /** Nothing comes of a call any more. */
  dropped(call: Call): void {
    this.#open.delete(call);
  }

  /** `now`: monotonic ms */
  observed(now: number): Observed {
    const open = [...this.#open];
    return {
      ...{ ok: this.#ok, failed: this.#failed, streams: this.#streams, mute: this.#mute },
      ...{ ttft: this.#ttft, tpot: this.#tpot, e2e: this.#e2e },
      unheard: [...this.#leftUnheard, ...open.filter(([call]) => isUnheard(call)).map(([, since]) => now - since)],
      unended: [...this.#left, ...open.map(([, since]) => now - since)],
    };
  }
}

function isUnheard({ peek, attempts }: Call): boolean {
  return peek.stream && attempts.at(-1)?.firstByteAt === null;
}

function keep(values: number[], value: number): void {
  values.push(value);
  // Now and then, and not at each call.
  if (values.length >= 2 * MOST) values.splice(0, MOST);
}
