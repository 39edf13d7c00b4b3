import { backOffMs } from '../../core/back-off.ts';
import type { BreakerState } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';

export interface BreakerSettings {
  /** Consecutive failures that open it. */
  readonly failures: number;
  readonly window_ms: number;
  /** Share of failures within the window that opens it, given `min_requests`. */
  readonly failure_rate: number;
  readonly min_requests: number;
  /** The longest it stays open; the first time it is a second, and doubles. */
  readonly open_ms: number;
  readonly success_to_close: number;
}

const BUCKETS = 10;
const FIRST_OPEN_MS = 1_000;
const JITTER = 0.2;

type State =
  | { readonly kind: 'closed'; consecutive: number; /** When the first of them came. */ failingSince: number; window: FailureWindow }
  | { readonly kind: 'open'; readonly untilMs: number }
  | { readonly kind: 'half_open'; probing: boolean; /** When the last probe was let in. */ probedAt: number; successes: number };

/**
 * A pass through the breaker. What it reports counts once, and only while the state that issued it lasts. `now` is the moment of the
 * report, which may lie minutes after that of the permit.
 */
export interface Permit {
  succeeded(now: number): void;
  /** `isDoubtful`: the request may have brought it about. */
  failed(now: number, reason: string, isDoubtful?: boolean): void;
  /** Neither: the client left, or the worker was merely busy. */
  neutral(): void;
}

/** What a breaker asks before failures open it: it may be the last way to a model, at a worker that is well. */
export interface BreakerGuard {
  /** Another failure; the first of several came at `sinceMs`. */
  failed(sinceMs: number): void;
  /** Whether calls have nowhere else to go, and the worker's health check is well. */
  isLast(): boolean;
  /** Signs of life since the first of several failures. unknown: that is not plain yet, the next failure asks again. */
  signs(sinceMs: number, isDoubtful: boolean, now: number): 'alive' | 'unknown' | 'silent';
}

const NO_GUARD: BreakerGuard = { failed: () => {}, isLast: () => false, signs: () => 'silent' };

/** What several processes of one gateway tell each other of a worker. */
export interface Finding {
  readonly state: BreakerState;
  /** While it is open: for how long still, in milliseconds. */
  readonly leftMs: number;
  /** How often it has opened without closing in between. */
  readonly level: number;
}

type Transition = (from: BreakerState, to: BreakerState, reason: string) => void;

/** So long a trial of another process is waited for. */
const OTHERS_TRIAL_MS = 1_000;

/**
 * Whether one worker is to be asked at all. Opens on consecutive failures or on the share of failures in a window; after a back-off it
 * admits ONE probe, and others go elsewhere instead of waiting for it. Time is an argument: monotonic ms.
 */
export class CircuitBreaker {
  #settings: BreakerSettings;
  readonly #random: Random;
  readonly #onTransition: Transition;
  readonly #guard: BreakerGuard;
  #state: State;
  /** How often it has opened without closing in between. */
  #level = 0;
  #succeededAt = -Infinity;

  constructor(settings: BreakerSettings, random: Random, onTransition: Transition, guard = NO_GUARD) {
    this.#settings = settings;
    this.#random = random;
    this.#onTransition = onTransition;
    this.#guard = guard;
    this.#state = closed(settings);
  }

  get state(): BreakerState {
    return this.#state.kind;
  }

  get consecutiveFailures(): number {
    return this.#state.kind === 'closed' ? this.#state.consecutive : 0;
  }

  /** When anything last went well. */
  get succeededAt(): number {
    return this.#succeededAt;
  }

  get openUntilMs(): number | null {
    return this.#state.kind === 'open' ? this.#state.untilMs : null;
  }

  /** New thresholds; the present state stands. A window of another length begins empty. */
  configure(settings: BreakerSettings): void {
    const lengthChanged = settings.window_ms !== this.#settings.window_ms;
    this.#settings = settings;
    if (lengthChanged && this.#state.kind === 'closed') this.#state.window = new FailureWindow(settings.window_ms);
  }

  /** Whether `acquire` would admit a call now. Changes nothing. */
  admits(now: number): boolean {
    const state = this.#state;
    if (state.kind === 'closed') return true;
    return state.kind === 'open' ? now >= state.untilMs : !state.probing;
  }

  /** A permit, or null while the worker is not to be asked. */
  acquire(now: number): Permit | null {
    if (this.#state.kind === 'open') {
      if (now < this.#state.untilMs) return null;
      this.#move({ kind: 'half_open', probing: false, probedAt: now, successes: 0 }, 'backoff_over');
    }
    const state = this.#state;
    if (state.kind === 'half_open') {
      if (state.probing) return null;
      state.probing = true;
      state.probedAt = now;
    }
    let settled = false;
    const counts = (): boolean => {
      const first = !settled;
      settled = true;
      return first && this.#state === state;
    };
    return {
      succeeded: (at) => {
        this.#succeededAt = at;
        if (counts()) this.#succeeded(at);
      },
      failed: (at, reason, isDoubtful = false) => {
        if (counts()) this.#failed(at, reason, isDoubtful);
      },
      neutral: () => {
        if (counts() && state.kind === 'half_open') state.probing = false;
      },
    };
  }

  /** Something else than an answer shows that the worker is not well: as after too many failures. */
  trip(now: number, reason: string): void {
    if (this.#state.kind !== 'open') this.#open(now, reason);
  }

  /** The worker is known to be well (its supervisor says it is ready anew): start afresh. */
  reset(reason: string): void {
    this.#level = 0;
    if (this.#state.kind === 'closed') this.#state = closed(this.#settings);
    else this.#move(closed(this.#settings), reason);
  }

  /** What others are to know of it. */
  finding(now: number): Finding {
    return { state: this.state, leftMs: Math.max(0, (this.openUntilMs ?? now) - now), level: this.#level };
  }

  /**
   * Takes over what another process has found; nobody is told. While one tries the worker the others wait a moment, and no longer: it may
   * have no call for its next trial. Two that begin at once both go on.
   */
  follow({ state, leftMs, level }: Finding, now: number): void {
    this.#level = level;
    const own = this.#state;
    if (state === 'open') this.#state = { kind: 'open', untilMs: now + leftMs };
    else if (state === 'half_open') {
      if (own.kind === 'open') this.#state = { kind: 'open', untilMs: Math.max(own.untilMs, now + OTHERS_TRIAL_MS) };
    } else if (this.#state.kind !== 'closed') this.#state = closed(this.#settings);
  }

  #succeeded(now: number): void {
    const state = this.#state;
    if (state.kind === 'closed') {
      state.consecutive = 0;
      state.window.add(now, false);
    } else if (state.kind === 'half_open') {
      state.probing = false;
      if (++state.successes >= this.#settings.success_to_close) {
        this.#level = 0;
        this.#move(closed(this.#settings), 'probes_succeeded');
      }
    }
  }

  #failed(now: number, reason: string, isDoubtful: boolean): void {
    const state = this.#state;
    if (state.kind === 'half_open') {
      if (this.#signs(state.probedAt, isDoubtful, now) === 'alive') state.probing = false;
      else this.#open(now, `probe_failed:${reason}`);
      return;
    }
    if (state.kind !== 'closed') return;
    if (state.consecutive === 0) state.failingSince = now;
    state.consecutive++;
    state.window.add(now, true);
    this.#guard.failed(state.failingSince);
    const why = this.#whyOpen(state, now);
    if (why === null) return;
    const signs = this.#signs(state.failingSince, isDoubtful, now, why === 'failure_rate' ? state.window.firstFailureAt : Infinity);
    if (signs === 'silent') this.#open(now, why);
    else if (signs === 'alive') {
      state.consecutive = 0;
      state.window = new FailureWindow(this.#settings.window_ms);
    }
  }

  #whyOpen(state: Extract<State, { kind: 'closed' }>, now: number): string | null {
    if (state.consecutive >= this.#settings.failures) return 'consecutive_failures';
    const { failures, total } = state.window.count(now);
    return total >= this.#settings.min_requests && failures / total >= this.#settings.failure_rate ? 'failure_rate' : null;
  }

  /** Where others could be asked instead, none are looked for. An answer after `answeredSince` is one as well. */
  #signs(sinceMs: number, isDoubtful: boolean, now: number, answeredSince = Infinity): 'alive' | 'unknown' | 'silent' {
    if (!this.#guard.isLast()) return 'silent';
    return this.#succeededAt > answeredSince ? 'alive' : this.#guard.signs(sinceMs, isDoubtful, now);
  }

  #open(now: number, reason: string): void {
    const growth = { firstMs: FIRST_OPEN_MS, longestMs: this.#settings.open_ms };
    const ms = backOffMs(growth, this.#level, { random: this.#random, share: JITTER });
    this.#level += 1;
    this.#move({ kind: 'open', untilMs: now + ms }, reason);
  }

  #move(next: State, reason: string): void {
    const from = this.#state.kind;
    this.#state = next;
    this.#onTransition(from, next.kind, reason);
  }
}

function closed(settings: BreakerSettings): State {
  return { kind: 'closed', consecutive: 0, failingSince: -Infinity, window: new FailureWindow(settings.window_ms) };
}

/** Exact counts over the last `windowMs`, forgotten a tenth at a time. */
class FailureWindow {
  readonly #bucketMs: number;
  readonly #failures = new Uint32Array(BUCKETS);
  readonly #totals = new Uint32Array(BUCKETS);
  #latest = 0;
  /** When the first of the failures in it came. */
  firstFailureAt = Infinity;

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  add(now: number, failure: boolean): void {
    if (failure && this.count(now).failures === 0) this.firstFailureAt = now;
    const at = this.#advance(now) % BUCKETS;
    this.#totals[at]!++;
    if (failure) this.#failures[at]!++;
  }

  count(now: number): { failures: number; total: number } {
    this.#advance(now);
    let failures = 0;
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) {
      failures += this.#failures[i]!;
      total += this.#totals[i]!;
    }
    return { failures, total };
  }

  #advance(now: number): number {
    const bucket = Math.max(this.#latest, Math.floor(now / this.#bucketMs));
    for (let i = Math.max(this.#latest + 1, bucket - BUCKETS + 1); i <= bucket; i++) {
      this.#failures[i % BUCKETS] = 0;
      this.#totals[i % BUCKETS] = 0;
    }
    this.#latest = bucket;
    return bucket;
  }
}
