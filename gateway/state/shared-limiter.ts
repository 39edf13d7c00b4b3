import type { Clock, Timer } from '../core/clock.ts';
import type { LimitName } from '../core/errors.ts';
import type { Limits } from '../core/principal.ts';
import { type LateWriter, writeAtEndOfTurn } from '../core/turn/late-writes.ts';
import {
  type Hold,
  type Limited,
  type Limiter,
  type Standing,
  type Taker,
  type Taking,
  tokenLimitFor,
  tokensTaken,
  type UsedShare,
  type WhenUnavailable,
} from '../policies/limits/limiter.ts';
import type { Told, Used } from './limit-script.ts';
import type { Script } from './script.ts';
import { type Comer, type SharedSubject, SharedSubjects } from './shared-subject.ts';
import type { StoreLink } from './store-link.ts';

/** A place of a call whose gateway is not heard of for so long is free again. */
const LEASE_MS = 12_000;
const MINUTE_MS = 60_000;
/** Calls that have ended are told of together, with the next that comes or after so long. */
const GATHER_MS = 20;
/** Of so many at once, so that no step holds the server up: words, four for each call. */
const MOST_ENDED = 4 * 250;
const MOST_RENEWED = 500;
const MOST_COMERS = 100;
/** Commands that are sent before the first of them is waited for. */
const AT_ONCE = 100;
const MOST_SUBJECTS = 20_000;
/** A place is free when another call ends, which nobody can foretell. */
const PLACE_WAIT_MS = 1_000;
const US_PER_MS = 1_000;
/** No entry has this number: the call took nothing there. */
const NO_ENTRY = -1;

export interface SharedLimiterOptions {
  readonly clock: Clock;
  readonly link: Pick<StoreLink, 'isUp' | 'nextTryMs' | 'run'>;
  /** Counts all that this gateway lets in, and decides where the store does not: by its share. */
  readonly local: Limiter;
  readonly whenUnavailable: () => WhenUnavailable;
  /** A call was decided without the store. */
  readonly onMissed: () => void;
  readonly prefix: string;
  /** Of this gateway, among all that use the store. */
  readonly id: string;
  /** Default: a minute. */
  readonly spanMs?: number;
  readonly script: Script<readonly Told[]>;
}

/**
 * The limits of keys and addresses, counted in a store that several gateways share. One question to it a call, or for all calls of a subject
 * that have come in one turn of the event loop: most of what a question costs is the same for one and for twenty.
 */
export class SharedLimiter implements Taker, LateWriter {
  readonly #options: SharedLimiterOptions;
  readonly #subjects: SharedSubjects;
  readonly #spanUs: number;
  /** Subjects of calls that have ended. */
  readonly #due = new Set<SharedSubject>();
  /** Those that calls have come of in this turn. */
  #asked: SharedSubject[] = [];
  #timer: Timer | null = null;
  #calls = 0;

  constructor(options: SharedLimiterOptions) {
    this.#options = options;
    this.#subjects = new SharedSubjects(options.prefix, MOST_SUBJECTS);
    this.#spanUs = (options.spanMs ?? MINUTE_MS) * US_PER_MS;
  }

  take(limited: Limited, guessed: number, now: number, least = guessed): Taking | Promise<Taking> {
    const subject = this.#subjects.of(limited);
    if (!this.#options.link.isUp) return this.#without(subject, limited, guessed, now, least);
    const tokens = tokensTaken(limited, guessed, least, limited.limits.tokens_per_minute);
    const held = heldFor(limited, tokens);
    return subject.refused.of(held, tokens, now) ?? this.#ask(subject, limited, held, tokens, guessed, least);
  }

  async #ask(subject: SharedSubject, limited: Limited, held: Limits, tokens: number, guessed: number, least: number): Promise<Taking> {
    const { clock, local } = this.#options;
    const { requests_per_minute: requests, tokens_per_minute: most, concurrent_requests: places } = held;
    const lease = this.#newLease();
    const words = [lease, tokens, requests ?? -1, most ?? -1, places ?? -1];
    subject.asking += 1;
    const told = await new Promise<Told | null>((onTold) => {
      if (subject.comers.push({ words, onTold }) > 1) return;
      if (this.#asked.push(subject) === 1) writeAtEndOfTurn(this);
    });
    subject.asking -= 1;
    const now = clock.now();
    if (told === null || told.verdict === null) {
      // It may have been let in, and only the answer be missing: nobody keeps that place.
      this.#ended(subject, lease, NO_ENTRY, 0, 0);
      return this.#without(subject, limited, guessed, now, least);
    }
    subject.told = { used: told, at: now };
    const { limits } = limited;
    const standings = {
      requests: standingOf(told.requests, limits.requests_per_minute),
      tokens: standingOf(told.tokens, limits.tokens_per_minute),
    };
    if (told.verdict === 'taken') {
      subject.running.add(lease);
      const noted = local.note(limited, tokens, now);
      return { kind: 'taken', hold: this.#hold(subject, lease, told.entry, tokens, noted), standings };
    }
    const { refused: limit, waitUs } = told.verdict;
    const waitMs = waitUs === null ? Infinity : limit === 'concurrent' ? PLACE_WAIT_MS : waitUs / US_PER_MS;
    const refused = { kind: 'refused', limit, waitMs, standings } as const;
    subject.refused.keep(refused, held, tokens, now);
    return refused;
  }

  /** Asks of all who have come in this turn. */
  writeLate(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const subject of asked) {
      const { comers } = subject;
      subject.comers = [];
      for (let at = 0; at < comers.length; at += MOST_COMERS) void this.#tellThem(subject, comers.slice(at, at + MOST_COMERS));
    }
  }

  async #tellThem(subject: SharedSubject, comers: readonly Comer[]): Promise<void> {
    const told = await this.#send(
      subject,
      [],
      comers.flatMap(({ words }) => words),
    );
    comers.forEach(({ onTold }, i) => onTold(told?.[i] ?? null));
  }

  /** The store cannot be asked. */
  #without(subject: SharedSubject, limited: Limited, guessed: number, now: number, least: number): Taking {
    const { local, link, whenUnavailable, onMissed } = this.#options;
    onMissed();
    const lease = this.#newLease();
    switch (whenUnavailable()) {
      case 'deny':
        return { kind: 'unknown', waitMs: link.nextTryMs };
      case 'allow': {
        const noted = local.note(limited, guessed, now);
        subject.running.add(lease);
        return { kind: 'taken', hold: this.#hold(subject, lease, NO_ENTRY, 0, noted), standings: { requests: null, tokens: null } };
      }
      case 'local': {
        const taking = local.take(limited, guessed, now, least);
        if (taking.kind !== 'taken') return taking;
        subject.running.add(lease);
        return { ...taking, hold: this.#hold(subject, lease, NO_ENTRY, 0, taking.hold) };
      }
    }
  }

  #hold(subject: SharedSubject, lease: string, entry: number, tokens: number, noted: Hold): Hold {
    return {
      settle: (usedTokens, now) => {
        if (!subject.running.delete(lease)) return;
        noted.settle(usedTokens, now);
        subject.refused.onFreed();
        this.#ended(subject, lease, entry, tokens, entry === NO_ENTRY ? 0 : Math.ceil(usedTokens));
      },
    };
  }

  #ended(subject: SharedSubject, lease: string, entry: number, taken: number, used: number): void {
    if (!this.#options.link.isUp) return;
    subject.ended.push(lease, entry, taken, used);
    this.#due.add(subject);
    this.#timer ??= this.#options.clock.after(GATHER_MS, () => void this.tell());
  }

  /** Tells the store which calls have ended. What it does not hear of goes by itself. */
  async tell(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const due = [...this.#due];
    this.#due.clear();
    let sent: Promise<readonly Told[] | null>[] = [];
    for (const subject of due) {
      while (subject.ended.length > 0) sent.push(this.#send(subject, [], []));
      if (sent.length < AT_ONCE) continue;
      await Promise.all(sent);
      sent = [];
    }
    await Promise.all(sent);
  }

  /** Keeps the places of the calls that run here. To be called several times within a lease. */
  async renew(): Promise<void> {
    let sent: Promise<readonly Told[] | null>[] = [];
    for (const subject of this.#subjects.values()) {
      const leases = [...subject.running];
      for (let at = 0; at < leases.length; at += MOST_RENEWED) sent.push(this.#send(subject, leases.slice(at, at + MOST_RENEWED), []));
      if (sent.length < AT_ONCE) continue;
      // Of a store that has gone nobody asks the rest.
      if ((await Promise.all(sent)).includes(null)) return;
      sent = [];
    }
    await Promise.all(sent);
  }

  /** How much of its limits each key has used that has used some: all gateways together, as the store said last. */
  *used(now: number): Generator<UsedShare> {
    if (!this.#options.link.isUp) return yield* this.#options.local.used(now);
    for (const { limited, told } of this.#subjects.values()) {
      if (told === null || limited.isAddress) continue;
      const { requests_per_minute: requests, tokens_per_minute: tokens, concurrent_requests: places } = limited.limits;
      const passedUs = (now - told.at) * US_PER_MS;
      const { used } = told;
      if (passedUs >= Math.max(used.requests.emptyInUs, used.tokens.emptyInUs)) continue;
      const share = (limit: LimitName, amount: number, most: number | null): UsedShare[] =>
        most === null ? [] : [{ name: limited.name, limit, share: most === 0 ? 1 : amount / most }];
      yield* share('requests', passedUs < used.requests.emptyInUs ? used.requests.amount : 0, requests);
      yield* share('tokens', passedUs < used.tokens.emptyInUs ? used.tokens.amount : 0, tokens);
      yield* share('concurrent', used.running, places);
    }
  }

  close(): void {
    this.#timer?.cancel();
  }

  #newLease(): string {
    return `${this.#options.id}.${(this.#calls++).toString(36)}`;
  }

  /** Calls that have ended go with whatever goes first, so that nobody is refused for them. */
  #send(subject: SharedSubject, renewed: readonly string[], calls: readonly (string | number)[]): Promise<readonly Told[] | null> {
    const { link, script } = this.#options;
    const { ended } = subject;
    const all = ended.length <= MOST_ENDED;
    const told = all ? ended : ended.slice(0, MOST_ENDED);
    subject.ended = all ? [] : ended.slice(MOST_ENDED);
    const words = [this.#spanUs, LEASE_MS * US_PER_MS, told.length / 4, ...told, renewed.length, ...renewed, ...calls];
    return link.run(script, subject.keys, words);
  }
}

/** What a call of so many tokens is held to. */
function heldFor({ limits, held }: Limited, tokens: number): Limits {
  if (held === undefined) return limits;
  const { tokens_per_minute: some } = held;
  const most = tokenLimitFor(tokens, some, limits.tokens_per_minute);
  return most === some ? held : { ...held, tokens_per_minute: most };
}

function standingOf({ amount, emptyInUs }: Used, limit: number | null): Standing | null {
  return limit === null ? null : { limit, remaining: Math.max(0, limit - amount), resetMs: emptyInUs / US_PER_MS };
}
