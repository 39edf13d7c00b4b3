import type { Call } from '../../core/call.ts';
import type { EarlyRefusal } from '../../core/events.ts';
import type { Outcome } from '../../core/reply.ts';
import type { CallTrace, Kept } from '../../core/trace/call-trace.ts';

/** Errors that clients bring about are kept so often in a second: anybody can send wrong keys by the thousand. */
const CLIENTS_PER_SECOND = 10;
/** And those who were refused before a worker was asked: turning away a crowd has to stay cheap. */
const REFUSED_PER_SECOND = 200;
const SECOND_MS = 1_000;
const LEFT = 499;

/** Decides which traces are kept, once it is known how their requests ended. */
export class Verdicts {
  readonly #slowMs: number;
  readonly #clients = new Allowance(CLIENTS_PER_SECOND);
  readonly #refused = new Allowance(REFUSED_PER_SECOND);

  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  /** `now` and `durationMs` by the monotonic clock. @returns why it is kept; null: it is not */
  ofCall(call: Call, trace: CallTrace, outcome: Outcome, status: number, durationMs: number, now: number): Kept | null {
    // A line that is only put off is tried again, thousands at a time.
    if (call.isLine && isPutOff(outcome)) return this.#ofOthers(trace, durationMs);
    const isError = isOurs(outcome, status)
      ? outcome.kind !== 'refused' || call.attempts.length > 0 || this.#refused.take(now)
      : isClients(status) && this.#clients.take(now);
    return isError ? 'error' : this.#ofOthers(trace, durationMs);
  }

  /** Of what was refused before it became a call. */
  ofRefusal({ status, durationMs }: EarlyRefusal, trace: CallTrace, now: number): Kept | null {
    const allowance = status >= 500 ? this.#refused : this.#clients;
    return allowance.take(now) ? 'error' : this.#ofOthers(trace, durationMs);
  }

  #ofOthers({ isSampled }: CallTrace, durationMs: number): Kept | null {
    if (durationMs >= this.#slowMs) return 'slow';
    return isSampled ? 'sampled' : null;
  }
}

/** So many in a second, and no more. */
class Allowance {
  readonly #most: number;
  #secondBegan = -Infinity;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(now: number): boolean {
    if (now - this.#secondBegan >= SECOND_MS) {
      this.#secondBegan = now;
      this.#taken = 0;
    }
    return ++this.#taken <= this.#most;
  }
}

/** The gateway or a worker failed the request, or had no room for it (whatever status `reject_status` gives that). */
export function isOurs(outcome: Outcome, status: number): boolean {
  if (outcome.kind === 'disconnected') return false;
  if (outcome.kind === 'complete') return status >= 500;
  return outcome.kind === 'broken' || status >= 500 || outcome.error.row.origin !== 'client';
}

function isClients(status: number): boolean {
  return status >= 400 && status !== LEFT;
}

/** It was taken back, or told to come again. */
function isPutOff(outcome: Outcome): boolean {
  if (outcome.kind === 'complete') return false;
  return outcome.kind === 'disconnected' || (outcome.error.row.retry === true && outcome.error.details.hopeless !== true);
}
