import type { LimitName } from '../../core/errors.ts';
import type { Limits } from '../../core/principal.ts';
import { less } from './leaving-room.ts';
import { SlidingWindow, type Taken } from './sliding-window.ts';

/** Whose limits hold for a call. */
export interface Limited {
  /** What is counted as one: a key, or an address. */
  readonly subject: string;
  /** There may be any number of these. */
  readonly isAddress: boolean;
  /** How messages and metrics call it. */
  readonly name: string;
  readonly limits: Limits;
  /** As much of them as this call may have, where it leaves some to others of the same subject; absent: all. */
  readonly held?: Limits;
  /** How long its calls may wait to be let in; 0: they are refused. */
  readonly patienceMs: number;
}

/** How it stands with a limit, in the figures of OpenAI's headers. */
export interface Standing {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until all of it is free again, if nothing more is taken. */
  readonly resetMs: number;
}

export interface Standings {
  readonly requests: Standing | null;
  readonly tokens: Standing | null;
}

export type Taking =
  | { readonly kind: 'taken'; readonly hold: Hold; readonly standings: Standings }
  /** `waitMs`: when it would be let in; Infinity: never, it is more than the limit by itself. Nothing has been taken. */
  | { readonly kind: 'refused'; readonly limit: LimitName; readonly waitMs: number; readonly standings: Standings }
  /** Nobody can say, and nothing is to be let in meanwhile. `waitMs`: when it is known again, at the earliest. */
  | { readonly kind: 'unknown'; readonly waitMs: number };

type KnownTaking = Exclude<Taking, { kind: 'unknown' }>;

/** What holds while a store that several gateways share does not answer: each one's share, everything, or nothing. */
export type WhenUnavailable = 'local' | 'allow' | 'deny';

/** What a call has taken. */
export interface Hold {
  /** The call has ended and has used so many tokens: the rest is given back. Only the first time counts. */
  settle(usedTokens: number, now: number): void;
}

/** Who counts: in memory, at once, or where several gateways share what they count, later. It never rejects. */
export interface Taker {
  /**
   * Takes one request, a place, and so many tokens: all or nothing. `least`: how many of them it asks for itself; the others are guessed, and
   * a guess keeps nobody out for good: more than the limit is taken as all of it.
   */
  take(limited: Limited, guessed: number, now: number, least?: number): Taking | Promise<Taking>;
}

/** So much of a limit is used: 1 for all of it. */
export interface UsedShare {
  readonly name: string;
  readonly limit: LimitName;
  readonly share: number;
}

const MINUTE_MS = 60_000;
/** A place is free when another call ends, which nobody can foretell. */
const PLACE_WAIT_MS = 1_000;
/** Addresses that are remembered. */
const MOST_ADDRESSES = 20_000;
/** Until another process of the gateway may have a place for it. */
const ELSEWHERE_MS = 1_000;

type Shares = readonly [requests: number | null, tokens: number | null, places: number | null];

class Subject {
  readonly requests = new SlidingWindow(MINUTE_MS);
  readonly tokens = new SlidingWindow(MINUTE_MS);
  running = 0;
  limited: Limited;

  constructor(limited: Limited) {
    this.limited = limited;
  }

  isIdle(now: number): boolean {
    return this.running === 0 && this.requests.used(now) === 0 && this.tokens.used(now) === 0;
  }
}

class MemoryHold implements Hold {
  readonly #subject: Subject;
  readonly #tokens: Taken;
  #isOver = false;

  constructor(subject: Subject, tokens: Taken) {
    this.#subject = subject;
    this.#tokens = tokens;
  }

  settle(usedTokens: number, now: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#subject.running--;
    this.#subject.tokens.settle(this.#tokens, usedTokens, now);
  }
}

/**
 * The limits of keys and addresses, in the memory of this process. Of a call that comes here all is counted, whichever of it is limited now,
 * so that a limit that is set later knows of the last minute. Times are monotonic milliseconds.
 */
export class Limiter implements Taker {
  readonly #keys = new Map<string, Subject>();
  /** The one used longest ago first: there may be any number of them. */
  readonly #addresses = new Map<string, Subject>();
  #processes: number;
  #index: number;

  /** @param processes each of which lets through its share and no more @param index which of them this is, from 0 */
  constructor(processes = 1, index = 0) {
    this.#processes = processes;
    this.#index = index;
  }

  /** From now on there are so many that share the limits, and this is another of them. */
  divide(processes: number, index: number): void {
    this.#processes = processes;
    this.#index = index;
  }

  /** Counts what was let in by somebody else, whether or not it fits. */
  note(limited: Limited, tokens: number, now: number): Hold {
    return this.#hold(this.#subjectOf(limited, now), tokens, now);
  }

  take(limited: Limited, guessed: number, now: number, least = guessed): KnownTaking {
    const subject = this.#subjectOf(limited, now);
    const all = this.#ownShare(limited.limits);
    const [requestLimit, heldTokens, places] = limited.held === undefined ? all : this.#heldShare(limited.held, all);
    const tokens = tokensTaken(limited, guessed, least, all[1]);
    const tokenLimit = tokenLimitFor(tokens, heldTokens, all[1]);
    const standings = (): Standings => ({
      requests: standingOf(subject.requests, limited.limits.requests_per_minute, all[0], now),
      tokens: standingOf(subject.tokens, limited.limits.tokens_per_minute, all[1], now),
    });
    // Where this process has no share of a small limit, another may.
    const isShared = this.#processes > 1;
    const refused = (limit: LimitName, waitMs: number): KnownTaking => ({
      ...{ kind: 'refused', limit, standings: standings() },
      waitMs: waitMs === Infinity && isShared && !isZero(limited.limits, limit) ? ELSEWHERE_MS : waitMs,
    });
    const requestWait = requestLimit === null ? 0 : subject.requests.waitMs(1, requestLimit, now);
    const tokenWait = tokenLimit === null ? 0 : tokenLimit === 0 ? Infinity : subject.tokens.waitMs(tokens, tokenLimit, now);
    if (requestWait > 0 && requestWait >= tokenWait) return refused('requests', requestWait);
    if (tokenWait > 0) return refused('tokens', tokenWait);
    if (places !== null && subject.running >= places) return refused('concurrent', places === 0 ? Infinity : PLACE_WAIT_MS);
    const hold = this.#hold(subject, tokens, now);
    return { kind: 'taken', hold, standings: standings() };
  }

  #hold(subject: Subject, tokens: number, now: number): Hold {
    subject.running++;
    subject.requests.take(1, now);
    return new MemoryHold(subject, subject.tokens.take(tokens, now));
  }

  /** How much of its limits each key has used that has used some, for figures. Addresses have no names to be told by. */
  *used(now: number): Generator<UsedShare> {
    for (const { limited, requests, tokens, running } of this.#keys.values()) {
      const [requestLimit, tokenLimit, places] = this.#ownShare(limited.limits);
      const used = [requests.used(now), tokens.used(now), running] as const;
      if (used.every((amount) => amount === 0)) continue;
      const { name } = limited;
      if (requestLimit !== null) yield { name, limit: 'requests', share: shareOf(used[0], requestLimit) };
      if (tokenLimit !== null) yield { name, limit: 'tokens', share: shareOf(used[1], tokenLimit) };
      if (places !== null) yield { name, limit: 'concurrent', share: shareOf(used[2], places) };
    }
  }

  #ownShare(limits: Limits): Shares {
    // All shares together are the limit.
    const own = (limit: number | null): number | null =>
      limit === null ? null : Math.floor(limit / this.#processes) + (this.#index < limit % this.#processes ? 1 : 0);
    return [own(limits.requests_per_minute), own(limits.tokens_per_minute), own(limits.concurrent_requests)];
  }

  /** Of its own share each process leaves something, too: calls come to all of them. */
  #heldShare(held: Limits, [requests, tokens, places]: Shares): Shares {
    const [heldRequests, heldTokens, heldPlaces] = this.#ownShare(held);
    return [least(heldRequests, less(requests)), least(heldTokens, less(tokens)), least(heldPlaces, less(places))];
  }

  #subjectOf(limited: Limited, now: number): Subject {
    const all = limited.isAddress ? this.#addresses : this.#keys;
    const known = all.get(limited.subject);
    if (limited.isAddress) {
      all.delete(limited.subject);
      if (known === undefined) this.#makeRoom(now);
    }
    const subject = known ?? new Subject(limited);
    subject.limited = limited;
    if (limited.isAddress || known === undefined) all.set(limited.subject, subject);
    return subject;
  }

  /** Forgets addresses of which there is nothing to remember; where that is none, the one used longest ago. */
  #makeRoom(now: number): void {
    const all = this.#addresses;
    if (all.size < MOST_ADDRESSES) return;
    for (const [name, subject] of all) {
      if (!subject.isIdle(now)) break;
      all.delete(name);
    }
    if (all.size >= MOST_ADDRESSES) all.delete(all.keys().next().value!);
  }
}

/** null: no limit, of either. */
function least(one: number | null, other: number | null): number | null {
  return one === null || other === null ? one : Math.min(one, other);
}

/**
 * How many tokens a call takes where its own share of the limit is `own`: one that is too large for a share and not for the limit is let in
 * where nothing else is.
 */
export function tokensTaken({ limits }: Limited, guessed: number, least: number, own: number | null): number {
  const isTooLarge = own !== null && least > (limits.tokens_per_minute ?? 0);
  return own === null || isTooLarge ? guessed : Math.min(guessed, own);
}

/** Which limit of tokens such a call is held to: what alone is more than it may have would never run, and is held to all there is. */
export function tokenLimitFor(tokens: number, held: number | null, all: number | null): number | null {
  return held !== null && tokens > held ? all : held;
}

function isZero(limits: Limits, limit: LimitName): boolean {
  const by = { requests: limits.requests_per_minute, tokens: limits.tokens_per_minute, concurrent: limits.concurrent_requests };
  return by[limit] === 0;
}

function standingOf(window: SlidingWindow, limit: number | null, own: number | null, now: number): Standing | null {
  if (limit === null || own === null) return null;
  return { limit, remaining: Math.max(0, Math.floor(own - window.used(now))), resetMs: window.emptyInMs(now) };
}

function shareOf(used: number, limit: number): number {
  return limit === 0 ? 1 : used / limit;
}
