import type { Random } from '../../core/random.ts';
import type { Worker } from '../../core/worker.ts';
import { hash32 } from './hash.ts';

export interface BalancerSettings {
  readonly policy: 'p2c' | 'round_robin' | 'least_loaded';
  readonly affinity: 'none' | 'session' | 'prefix';
  readonly slow_start_ms: number;
}

/**
 * How much fuller than all workers' mean, this call included, a worker may be and still keep its session: bounded load, so that affinity
 * never piles up.
 */
export const AFFINITY_BOUND = 1.25;
const SLOW_START_LEAST = 0.1;

/**
 * How busy a worker is for its size, from what we know ourselves and what was scraped: our own calls, those that others brought, and
 * twice those waiting, since a wait there is a wait for a whole generation. What tells nobody its load is known by how it has answered.
 */
export function loadScore(worker: Worker, settings: BalancerSettings, now: number): number {
  const score = (callsAt(worker) + 1) / weightOf(worker, settings, now);
  return worker.pace ? score * worker.pace.strain(now) : score;
}

/** Calls that it has, those that wait there twice. */
export function callsAt({ load, inFlight }: Worker): number {
  const others = load.scrapedAt === null ? 0 : Math.max(0, load.running + load.waiting - load.inFlightAtScrape);
  return inFlight + others + 2 * load.waiting;
}

/** How much of the whole it is trusted with. */
export function weightOf(worker: Worker, settings: BalancerSettings, now: number): number {
  return worker.view.maxNumSeqs * slowStart(worker, settings, now);
}

/** 0.1 to 1: the share of its capacity that a worker is trusted with after it became ready (cold caches, lazy compilation). */
export function slowStart(worker: Worker, settings: BalancerSettings, now: number): number {
  if (settings.slow_start_ms === 0 || worker.life === null) return 1;
  const share = (now - worker.life.since) / settings.slow_start_ms;
  return share >= 1 ? 1 : Math.max(SLOW_START_LEAST, share);
}

/** Which of several workers gets the call. `candidates` is not empty. */
export class LoadBalancer {
  readonly #random: Random;
  /** When each worker last had its turn, counted in turns: models share the count, so that one's rhythm cannot starve another's workers. */
  readonly #turns = new WeakMap<Worker, number>();
  #turn = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * @param affinityKey what calls that belong together share; null for none
   * @param last where the call before this one went, which is better than where the key would have it; absent: nobody knows
   */
  choose(candidates: readonly Worker[], settings: BalancerSettings, affinityKey: string | null, now: number, last?: Worker): Worker {
    const count = candidates.length;
    if (count === 1) return candidates[0]!;
    if (affinityKey !== null) {
      const home = last !== undefined && candidates.includes(last) ? last : preferred(candidates, affinityKey);
      if (withinBound(home, candidates, settings, now)) return home;
    }
    switch (settings.policy) {
      case 'round_robin':
        return this.#next(candidates);
      case 'least_loaded':
        return candidates.reduce((least, worker) => (loadScore(worker, settings, now) < loadScore(least, settings, now) ? worker : least));
      case 'p2c': {
        const first = Math.floor(this.#random.next() * count);
        const second = (first + 1 + Math.floor(this.#random.next() * (count - 1))) % count;
        const a = candidates[first]!;
        const b = candidates[second]!;
        return loadScore(b, settings, now) < loadScore(a, settings, now) ? b : a;
      }
    }
  }

  /** The one whose turn is longest ago: fair whichever candidates there are from one call to the next. */
  #next(candidates: readonly Worker[]): Worker {
    let next = candidates[0]!;
    for (const worker of candidates) if ((this.#turns.get(worker) ?? 0) < (this.#turns.get(next) ?? 0)) next = worker;
    this.#turns.set(next, ++this.#turn);
    return next;
  }
}

/** Calls for what workers are trusted with, the one that is about to come included: workers of different sizes have one mean. */
export function meanLoad(candidates: readonly Worker[], settings: BalancerSettings, now: number): number {
  let calls = 1;
  let weight = 0;
  for (const worker of candidates) {
    calls += callsAt(worker);
    weight += weightOf(worker, settings, now);
  }
  return calls / weight;
}

/** An idle worker is always within the bound. */
function withinBound(home: Worker, candidates: readonly Worker[], settings: BalancerSettings, now: number): boolean {
  return callsAt(home) / weightOf(home, settings, now) <= meanLoad(candidates, settings, now) * AFFINITY_BOUND;
}

/** Rendezvous hashing: when a worker goes, only its own keys move. */
function preferred(candidates: readonly Worker[], key: string): Worker {
  let best = candidates[0]!;
  let bestHash = -1;
  for (const worker of candidates) {
    const value = hash32(worker.id, key);
    if (value > bestHash) {
      best = worker;
      bestHash = value;
    }
  }
  return best;
}
