import type { Limits } from '../core/principal.ts';
import type { Standing, Standings, Taking } from '../policies/limits/limiter.ts';

type Refused = Extract<Taking, { kind: 'refused' }>;

/** What may come free any moment, at another gateway: tokens that are given back, and places. */
const SOON_MS = 250;

/**
 * The last refusal of a subject, so that a client in a loop asks nobody but us. Requests do not come back before their time; of the other
 * limits it is believed for a moment, and where tokens were refused, of calls that ask for as many: others have a time of their own.
 */
export class RefusedLately {
  #refused: Refused | null = null;
  #limits: Limits | null = null;
  #tokens = 0;
  #at = 0;
  #untilMs = -Infinity;

  keep(refused: Refused, limits: Limits, tokens: number, now: number): void {
    this.#refused = refused;
    this.#limits = limits;
    this.#tokens = tokens;
    this.#at = now;
    const isSure = refused.limit === 'requests' && refused.waitMs !== Infinity;
    this.#untilMs = now + (isSure ? refused.waitMs : Math.min(SOON_MS, refused.waitMs));
  }

  /** How a call would be refused; null: that has to be asked. */
  of(limits: Limits, tokens: number, now: number): Refused | null {
    const refused = this.#refused;
    if (refused === null || now >= this.#untilMs || !isSame(limits, this.#limits!)) return null;
    if (refused.limit === 'tokens' && tokens !== this.#tokens) return null;
    const passed = now - this.#at;
    const { requests, tokens: ofTokens } = refused.standings;
    return {
      ...refused,
      waitMs: refused.waitMs - passed,
      standings: { requests: later(requests, passed), tokens: later(ofTokens, passed) },
    };
  }

  /** A call has ended: a place is free, and maybe tokens are. */
  onFreed(): void {
    if (this.#refused?.limit !== 'requests') this.#refused = null;
  }
}

function later(standing: Standing | null, passed: number): Standings['requests'] {
  return standing && { ...standing, resetMs: Math.max(0, standing.resetMs - passed) };
}

function isSame(a: Limits, b: Limits): boolean {
  return (
    a.requests_per_minute === b.requests_per_minute &&
    a.tokens_per_minute === b.tokens_per_minute &&
    a.concurrent_requests === b.concurrent_requests
  );
}
