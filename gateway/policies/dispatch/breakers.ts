import type { Clock } from '../../core/clock.ts';
import type { BreakerState, Events } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';
import type { Worker, WorkerDirectory, WorkerLife, WorkerLoad } from '../../core/worker.ts';
import { type BreakerGuard, type BreakerSettings, CircuitBreaker, type Finding } from './circuit-breaker.ts';
import type { SignsOfLife } from '../in-hand/signs-of-life.ts';

const ANOTHER_LIFE = 'worker_ready';
/** As patient as a supervisor is before it takes a worker out of service. */
const STALL_MS = 120_000;
/** About as often as a worker that stands still is asked whether it works again. */
const STALLED_RETRY_MS = 10_000;

/** The other processes of this gateway, which ask the same workers. */
export interface BreakerKin {
  /** What all of them see, this one tells of. */
  readonly speaks: () => boolean;
  readonly tell: (worker: string, finding: Finding) => void;
}

export interface BreakersContext {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly events: Pick<Events, 'breakerChanged'>;
  readonly directory: WorkerDirectory;
  readonly breaker: () => BreakerSettings;
  /** Absent: there are none. */
  readonly kin?: BreakerKin | undefined;
}

/** A breaker for each worker. It starts afresh with each life of its worker: what failed before was another process. */
export class Breakers {
  readonly #context: BreakersContext;
  readonly #signs: SignsOfLife;
  readonly #byWorker = new Map<string, CircuitBreaker>();
  /** By worker: the life to which its breaker's state belongs. */
  readonly #lives = new Map<string, WorkerLife>();

  constructor(context: BreakersContext, signs: SignsOfLife) {
    this.#context = context;
    this.#signs = signs;
    this.#followWorkers();
    context.directory.onChange(() => this.#followWorkers());
  }

  get all(): ReadonlyMap<string, CircuitBreaker> {
    return this.#byWorker;
  }

  /** Takes new thresholds into the breakers there are. */
  configure(): void {
    for (const breaker of this.#byWorker.values()) breaker.configure(this.#context.breaker());
  }

  of(worker: string): CircuitBreaker {
    let breaker = this.#byWorker.get(worker);
    if (!breaker) {
      const { breaker: settings, random, events, kin, clock } = this.#context;
      const told = (from: BreakerState, to: BreakerState, reason: string): void => {
        // All of us see that a worker has begun another life.
        if (kin && reason === ANOTHER_LIFE && !kin.speaks()) return;
        events.breakerChanged(worker, from, to, reason);
        if (kin) kin.tell(worker, this.of(worker).finding(clock.now()));
      };
      breaker = new CircuitBreaker(settings(), random, told, this.#guard(worker));
      this.#byWorker.set(worker, breaker);
    }
    return breaker;
  }

  /** The workers whose breaker would admit a call; the list itself when that is all of them. */
  admitting(workers: readonly Worker[], now: number): readonly Worker[] {
    for (const { id, load } of workers) {
      const breaker = this.of(id);
      if (isStalled(load, breaker.succeededAt)) breaker.trip(now, 'stalled');
    }
    for (const worker of workers) {
      if (!this.#admits(worker, now)) return workers.filter((other) => this.#admits(other, now));
    }
    return workers;
  }

  /** One that makes no token for us makes none for a client either: nobody has to find that out by waiting. */
  #admits({ id, load }: Worker, now: number): boolean {
    return load.withheldAt === null && this.of(id).admits(now);
  }

  /** Monotonic ms at which the first of them may be asked again. */
  soonest(workers: readonly Worker[], now: number): number {
    let soonest = Infinity;
    for (const { id, load } of workers) {
      const askedAgain = load.withheldAt === null ? 0 : now + STALLED_RETRY_MS;
      soonest = Math.min(soonest, Math.max(askedAgain, this.of(id).openUntilMs ?? now + 1_000));
    }
    return soonest;
  }

  /** The last breaker of a model stays closed as long as its worker works on: to close it helps nobody. */
  #guard(id: string): BreakerGuard {
    const { directory } = this.#context;
    const worker = (): Worker | undefined => directory.workers().find((each) => each.id === id);
    return {
      failed: (sinceMs) => {
        const known = worker();
        if (known) this.#signs.failed(known, sinceMs);
      },
      isLast: () => {
        const known = worker();
        if (!known || known.life === null) return false;
        return known.view.models.some((model) =>
          directory.readyFor(model.id).every((other) => other === known || this.of(other.id).state !== 'closed'),
        );
      },
      signs: (sinceMs, isDoubtful, now) => {
        const known = worker();
        return known ? this.#signs.of(known, sinceMs, isDoubtful, now) : 'silent';
      },
    };
  }

  #followWorkers(): void {
    const present = new Set<string>();
    for (const { id, life } of this.#context.directory.workers()) {
      present.add(id);
      if (life === null || this.#lives.get(id) === life) continue;
      this.#lives.set(id, life);
      this.#byWorker.get(id)?.reset(ANOTHER_LIFE);
    }
    for (const known of [this.#byWorker, this.#lives]) {
      for (const id of known.keys()) if (!present.has(id)) known.delete(id);
    }
  }
}

/**
 * Calls of ours have been with the worker for minutes, all in all, and its engine has done nothing: it hangs, however well its health check
 * is. What it does for others counts as well, and so does a step without a token, or an answer for which no engine is needed
 * (`answeredAt`). Where it was asked for a token in vain nothing more is needed. An engine that does not count its work is never taken for
 * stalled.
 */
function isStalled({ work, workedAt, scrapedAt, withheldAt }: WorkerLoad, answeredAt: number): boolean {
  if (withheldAt !== null) return true;
  return work !== null && workedAt !== null && scrapedAt !== null && scrapedAt - Math.max(workedAt, answeredAt) >= STALL_MS;
}
