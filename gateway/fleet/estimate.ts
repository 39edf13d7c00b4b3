/** What a worker was seen to have, and what of it was ours. */
export interface Sighting {
  /** Monotonic ms. */
  readonly at: number;
  /** Requests that run there or wait, whoever has sent them. */
  readonly seen: number;
  /** Calls of this gateway that it had at that moment. */
  readonly own: number;
  /** How much older than `at` that may be. */
  readonly tookMs: number;
}

/** How many more calls than places a worker may have while gateways guess: what everybody may begin with at a full worker is within it. */
const MOST_OVER = 1.2;
/** Of what is seen free, a gateway takes its part and leaves a little, since others have seen it as well. */
const CARE = 0.85;
/** Of what it has beyond its fair part a gateway gives up so much at each look at a full worker that others use, too. */
const GIVEN_UP = 0.25;
/** What was seen of others counts for so many looks: calls come and go between two of them. */
const REMEMBERED = 3;
/** A look that is so many intervals old is no ground to take more. */
const FRESH_INTERVALS = 1.6;
/** Nor is one that took so long: others have looked meanwhile, and taken. */
const SLOW_MS = 250;
/** After so long without a look nobody can say anything: each keeps to its fair part. */
const BLIND_MS = 10_000;

/**
 * How many places of a worker one of several gateways may use that cannot ask each other, by what the worker itself says that it has: what it
 * uses, and its part of what is seen free. Each looks at its own time, so that what one takes is seen by the next; where a worker is full,
 * whoever has more than the fair part gives up some at each look, and what becomes free is divided again (additive increase, multiplicative
 * decrease). At a full worker everybody may have one call, so that the others see that somebody is there.
 */
export class Estimate {
  readonly #sightings: Sighting[] = [];
  #most = 0;
  /** What it had when it looked last. */
  #had = 0;
  /** When it was asked first what it may have. */
  #begunAt: number | null = null;
  /** Parts of places that were its own and made no whole one. */
  #credit = 0;

  /** The worker has been looked at. @param own what this gateway has there now @param gateways how many share it */
  look(sighting: Sighting, own: number, total: number, gateways: number): void {
    if (this.#sightings.unshift(sighting) > REMEMBERED) this.#sightings.pop();
    const seen = this.#sightings.map((each) => Math.max(0, each.seen - each.own));
    const others = Math.max(...seen);
    this.#had = own;
    // Each of the others may begin with one at any moment.
    const reach = Math.max(1, Math.min(total, Math.floor(total * MOST_OVER) - (gateways - 1)));
    const free = reach - others - Math.max(own, sighting.own);
    const fair = total / gateways;
    if (sighting.tookMs > SLOW_MS) this.#most = Math.min(this.#most, own);
    else if (free >= 1) {
      this.#credit = Math.min(this.#credit + (CARE * free) / gateways, free);
      const whole = Math.floor(this.#credit);
      this.#credit -= whole;
      this.#most = own + whole;
    } else {
      this.#credit = 0;
      this.#most = own > fair && Math.min(...seen) > 0 ? own - Math.max(1, Math.floor((own - fair) * GIVEN_UP)) : own;
    }
  }

  /** Until the next look it may have so many at the most. */
  beginWith(most: number): void {
    this.#most = Math.min(this.#most, most);
  }

  /** Calls that it may have there now. @param own what it has @param intervalMs between two looks */
  most(own: number, total: number, gateways: number, now: number, intervalMs: number): number {
    this.#begunAt ??= now;
    const last = this.#sightings[0]?.at ?? this.#begunAt;
    if (now - last > BLIND_MS) return Math.min(total, Math.max(1, Math.floor(total / gateways)));
    // What it had it may fill again, and take no more.
    if (now - last > intervalMs * FRESH_INTERVALS) this.#most = Math.min(this.#most, Math.max(own, this.#had));
    return Math.min(total, Math.max(this.#most, 1));
  }
}
