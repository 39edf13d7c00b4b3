import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { Listener } from '../core/fan-out.ts';
import type { EarlyRefusal } from '../core/events.ts';
import type { Outcome } from '../core/reply.ts';
import { type EndedCall, endFacts } from './call-facts.ts';
import { EarlyRing, isOperators, MOST_EARLY } from './early-ring.ts';
import { EndedRing } from './ended-ring.ts';
import { Spread } from './spread.ts';

/** Calls that have ended and are still shown. */
const MOST_ENDED = 300;

/** Counts since the process started. */
export interface Counts {
  requests: number;
  refused: number;
  failed: number;
  /** Requests refused at the operator's own pages, which are none of those above. */
  operators: number;
  /** Refusals by the reason that the client was told. */
  readonly reasons: Map<string, number>;
}

/** What ended lately, for whoever looks at the console: how many, how fast, and the last few hundred one by one. */
export class RecentCalls implements Listener {
  readonly counts: Counts = { requests: 0, refused: 0, failed: 0, operators: 0, reasons: new Map() };
  /** Seconds to the first token, and for each after it. */
  readonly firstToken: Spread;
  readonly perToken: Spread;
  readonly #clock: Clock;
  readonly #ended = new EndedRing(MOST_ENDED);
  readonly #early = new EarlyRing();
  #number = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.firstToken = new Spread(clock);
    this.perToken = new Spread(clock);
  }

  requestEnded(call: Call, outcome: Outcome, status: number): void {
    const now = this.#clock.now();
    this.counts.requests += 1;
    if (outcome.kind === 'refused') this.#refused(outcome.error.reason);
    else if (outcome.kind === 'broken' || status >= 500) this.counts.failed += 1;
    else this.#measure(call, now);
    this.#ended.add(call, outcome, status, now, ++this.#number);
  }

  requestRefused(refusal: EarlyRefusal): void {
    if (isOperators(refusal)) {
      this.counts.operators += 1;
      return;
    }
    const { status, code } = refusal;
    this.#early.add(refusal, this.#clock.wall(), ++this.#number);
    this.counts.requests += 1;
    this.#refused(status === 401 ? 'no_key' : status < 500 ? 'client_error' : code);
  }

  /** The last that ended, oldest first. @param most how many at most */
  last(most = MOST_ENDED + MOST_EARLY): EndedCall[] {
    const [now, wall] = [this.#clock.now(), this.#clock.wall()];
    const calls = this.#ended.last(most).map((slot) => (slot.shown ??= { ...endFacts(slot, wall - now), number: slot.number }));
    return [...calls, ...this.#early.all()].toSorted((a, b) => a.number - b.number).slice(-most);
  }

  #refused(reason: string): void {
    this.counts.refused += 1;
    const { reasons } = this.counts;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  #measure({ peek, attempts, arrivedAt, journey }: Call, now: number): void {
    const last = attempts.at(-1);
    const firstByteAt = journey.resume?.firstByteAt ?? last?.firstByteAt ?? null;
    if (!last || !peek.stream || firstByteAt === null) return;
    this.firstToken.add(firstByteAt - arrivedAt, now);
    const later = (last.outputTokens ?? last.chunks) / Math.max(1, peek.choices) - 1;
    if (last.lastByteAt !== null && later >= 1) this.perToken.add((last.lastByteAt - firstByteAt) / later, now);
  }
}
