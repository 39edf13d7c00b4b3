import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';

/** From the end of one to the beginning of the next. */
export const REST_MS = 10_000;
/** So long nobody expects one to take: parts have their limits. */
const USUAL_MS = 2_000;

/** Has bundles made one at a time, with a rest in between: each costs what hundreds of requests do. */
export class BundleDesk {
  readonly #clock: Clock;
  readonly #make: () => Promise<string>;
  #isMaking = false;
  #nextAt = -Infinity;

  constructor(clock: Clock, make: () => Promise<string>) {
    this.#clock = clock;
    this.#make = make;
  }

  /** @throws bundle_too_soon */
  async bundle(): Promise<string> {
    if (this.#isMaking) throw tooSoon('A bundle is being made for somebody else', USUAL_MS + REST_MS);
    const waitMs = this.#nextAt - this.#clock.now();
    if (waitMs > 0) throw tooSoon('A bundle was made just now', waitMs);
    this.#isMaking = true;
    try {
      return await this.#make();
    } finally {
      this.#isMaking = false;
      this.#nextAt = this.#clock.now() + REST_MS;
    }
  }
}

function tooSoon(why: string, waitMs: number): GatewayError {
  // The answer says when to ask again.
  return new GatewayError('bundle_too_soon', `${why}, and each costs the gateway what hundreds of requests do.`, {
    retryAfterMs: waitMs,
    namesTime: true,
  });
}
