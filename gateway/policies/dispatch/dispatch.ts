import type { Call } from '../../core/call.ts';
import type { Handler } from '../../core/handler.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import { Lease } from '../../core/lease.ts';
import type { Random } from '../../core/random.ts';
import type { Reply } from '../../core/reply.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import { CircuitBreaker, type BreakerSettings, type Permit } from './circuit-breaker.ts';
import { fittingWorkers } from '../capacity/large-requests.ts';
import { LoadBalancer, type BalancerSettings } from './load-balancer.ts';
import { Losses, LostError } from '../lost/lost-worker.ts';
import { noWorkerError } from '../capacity/no-worker.ts';
import { pressureOf, type PressureSettings } from '../capacity/pressure.ts';
import { unwillingError, willingWorkers } from '../capacity/prompt-logprobs.ts';
import type { Attempt, FailureCause } from '../relay/attempt.ts';
import { relay, type RelaySettings } from '../relay/relay.ts';
import { RetryBudget } from './retry-budget.ts';
import { isStalled } from '../capacity/stalled-worker.ts';
import { Suspects } from './suspects.ts';

export interface RetrySettings {
  /** Attempts in all; 1 = never retry. */
  readonly max_attempts: number;
  readonly budget_ratio: number;
}

export interface DispatchContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly directory: WorkerDirectory;
  readonly breaker: () => BreakerSettings;
  readonly balancer: () => BalancerSettings;
  readonly pressure: () => PressureSettings;
  readonly retry: () => RetrySettings;
  readonly relay: () => RelaySettings;
  /** A fresh id for each attempt: vLLM makes the completion's id of it, and two attempts must not share one. */
  readonly newRequestId: () => string;
}

type FailedAttempt = Extract<Attempt, { kind: 'failed' }>;

interface Chosen {
  readonly worker: Worker;
  readonly permit: Permit;
}

/** The one decision balance → breaker → relay, repeated for each attempt. */
export class Dispatch {
  readonly #context: DispatchContext;
  readonly #balancer: LoadBalancer;
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #budget = new RetryBudget();
  readonly #suspects = new Suspects();
  readonly #losses = new Losses();
  readonly #routed = new Map<string, number>();
  /** By worker: the life to which its breaker's state belongs. */
  readonly #readySince = new Map<string, number>();

  constructor(context: DispatchContext) {
    this.#context = context;
    this.#balancer = new LoadBalancer(context.random);
    this.#followWorkers();
    context.directory.onChange(() => this.#followWorkers());
  }

  get breakers(): ReadonlyMap<string, CircuitBreaker> {
    return this.#breakers;
  }

  /** Calls sent to each worker. */
  get routed(): ReadonlyMap<string, number> {
    return this.#routed;
  }

  /** Takes new thresholds into the breakers there are. */
  configure(): void {
    for (const breaker of this.#breakers.values()) breaker.configure(this.#context.breaker());
  }

  handler(): Handler {
    return (call) => this.#handle(call);
  }

  async #handle(call: Call): Promise<Reply> {
    const bytes = bytesOf(call);
    const trial = bytes && this.#suspects.enter(bytes, this.#context.clock.now());
    if (!trial) return this.#answer(call, bytes);
    try {
      return await this.#answer(call, bytes);
    } finally {
      trial.release();
    }
  }

  async #answer(call: Call, bytes: Buffer | null): Promise<Reply> {
    const { clock, events, retry } = this.#context;
    const { max_attempts, budget_ratio } = retry();
    if (!call.journey.paid) this.#budget.deposit(budget_ratio);
    call.journey.paid = true;
    const tried: Worker[] = [];
    let failed: FailedAttempt | null = null;
    for (;;) {
      call.cancellation.throwIfCancelled();
      const { worker, permit } = this.#choose(call, tried, failed);
      if (failed) events.retried(call, failed.cause);
      tried.push(worker);
      const life = worker.readySince;
      let attempt = await this.#attempt(call, worker, permit);
      if (attempt.kind === 'failed' && attempt.cause === 'stale') {
        // The worker closed a kept connection as we used it: it never saw the request, and a fresh connection tells more.
        call.cancellation.throwIfCancelled();
        const again = this.#breaker(worker.id).acquire(clock.now());
        if (again) attempt = await this.#attempt(call, worker, again);
      }
      if (attempt.kind === 'replied') return attempt.reply;
      const { cause, error } = attempt;
      if (cause === 'final' || bytes === null) throw error;
      if (cause === 'died' && !this.#suspects.mayGoOn(bytes)) throw error;
      if (tried.length + call.journey.losses >= max_attempts) throw error;
      // Whatever a worker fails with that is on its way out, its next life may do better.
      const isLost = isLoss(cause) || worker.readySince !== life;
      failed = isLost ? { ...attempt, error: new LostError(error, worker, life, cause) } : attempt;
    }
  }

  /** A call that its worker never had, or lost by dying, is not what a budget guards against: every worker is asked at most once. */
  #mayRetry(cause: FailureCause): boolean {
    return isLoss(cause) || this.#budget.withdraw();
  }

  async #attempt(call: Call, worker: Worker, permit: Permit): Promise<Attempt> {
    const { clock, events, relay: settings } = this.#context;
    const { journey } = call;
    journey.phase = 'upstream';
    journey.attempts++;
    journey.worker = worker.id;
    // What an earlier attempt left is not this one's.
    journey.sentAt = journey.firstByteAt = journey.lastByteAt = journey.finishReason = null;
    journey.chunks = 0;
    worker.inFlight++;
    this.#routed.set(worker.id, (this.#routed.get(worker.id) ?? 0) + 1);
    events.routed(call, worker.id);
    const probe = this.#breaker(worker.id).state === 'half_open';
    const settle = new Lease(() => worker.inFlight--);
    let waits = false;
    const heard = (): void => {
      if (waits) worker.unanswered--;
      waits = false;
    };
    const [suspects, losses] = [this.#suspects, this.#losses];
    const bytes = bytesOf(call);
    const { readySince } = worker;
    try {
      const attempt = await relay(call, worker, this.#request(call), clock, settings(), {
        onSent() {
          if (!waits) worker.unanswered++;
          waits = true;
        },
        onFirstByte() {
          heard();
          journey.phase = 'stream';
          // A probe's question is whether the worker answers at all; its whole answer may take minutes.
          if (probe) permit.succeeded(clock.now());
        },
        onDied(silent) {
          losses.record(worker, readySince, clock.now());
          if (bytes) suspects.record(bytes, `${worker.id} ${readySince}`, silent, clock.now());
        },
        onSettled(verdict) {
          heard();
          settle.release();
          if (verdict.kind === 'success') {
            permit.succeeded(clock.now());
            if (bytes) suspects.clear(bytes);
          } else if (verdict.kind === 'neutral') permit.neutral();
          else permit.failed(clock.now(), verdict.reason);
        },
      });
      if (attempt.kind === 'failed' && attempt.cause === 'unsent') losses.record(worker, readySince, clock.now());
      return attempt;
    } catch (error) {
      // Our own fault: it must not cost the worker a place, nor the breaker its probe.
      heard();
      settle.release();
      permit.neutral();
      throw error;
    }
  }

  #request(call: Call): UpstreamRequest {
    const { body } = call;
    return {
      method: 'POST',
      path: call.route.path,
      headers: { ...call.forward, 'content-type': body.contentType, 'x-request-id': this.#context.newRequestId() },
      body,
    };
  }

  /** @throws when no worker may be asked: with the last attempt's failure, if there was one. */
  #choose(call: Call, tried: readonly Worker[], failed: FailedAttempt | null): Chosen {
    const { clock, directory, balancer, pressure } = this.#context;
    const now = clock.now();
    const ready = directory.readyFor(call.model);
    if (ready.length === 0) throw failed?.error ?? noWorkerError(directory, call.model);
    const willing = willingWorkers(ready, call);
    if (willing.length === 0) throw failed?.error ?? unwillingError(directory, call);
    let candidates = fittingWorkers(willing, call);
    if (tried.length > 0) candidates = candidates.filter((worker) => !tried.includes(worker));
    candidates = this.#admitted(candidates, now);
    if (candidates.length === 0) throw failed?.error ?? this.#allOpen(willing, call.model, now);
    if (failed && !this.#mayRetry(failed.cause)) throw failed.error;
    if (candidates.length > 1) {
      const calm = candidates.filter((worker) => pressureOf(pressure(), worker.load, now) !== 'critical');
      if (calm.length > 0) candidates = calm;
    }
    const settings = balancer();
    const worker = this.#balancer.choose(candidates, settings, affinityKey(call, settings), now);
    const permit = this.#breaker(worker.id).acquire(now);
    if (!permit) throw failed?.error ?? this.#allOpen(willing, call.model, now);
    return { worker, permit };
  }

  /** Those whose breaker would admit a call; the list itself when that is all of them. */
  #admitted(workers: readonly Worker[], now: number): readonly Worker[] {
    for (const { id, load } of workers) {
      const breaker = this.#breaker(id);
      if (isStalled(load, breaker.succeededAt)) breaker.trip(now, 'stalled');
    }
    for (const worker of workers) {
      if (!this.#breaker(worker.id).admits(now)) return workers.filter((other) => this.#breaker(other.id).admits(now));
    }
    return workers;
  }

  /** Where that is because one of them has just ended, the call can wait for what its supervisor says. */
  #allOpen(workers: readonly Worker[], model: string, now: number): GatewayError {
    let soonest = Infinity;
    for (const { id } of workers) soonest = Math.min(soonest, this.#breaker(id).openUntilMs ?? now + 1_000);
    const message = `The workers for ${model} have failed repeatedly and are being left alone for a moment.`;
    const error = new GatewayError('breaker_open', message, { retryAfterMs: Math.max(0, soonest - now) });
    return this.#losses.unexplained(error, workers, now) ?? error;
  }

  #breaker(worker: string): CircuitBreaker {
    let breaker = this.#breakers.get(worker);
    if (!breaker) {
      const { breaker: settings, random, events } = this.#context;
      breaker = new CircuitBreaker(settings(), random, (from, to, reason) => events.breakerChanged(worker, from, to, reason));
      this.#breakers.set(worker, breaker);
    }
    return breaker;
  }

  /** Forgets workers that have gone, and starts afresh with those that have become ready anew: what failed was another process. */
  #followWorkers(): void {
    const present = new Set<string>();
    for (const { id, readySince } of this.#context.directory.workers()) {
      present.add(id);
      if (readySince === null || this.#readySince.get(id) === readySince) continue;
      this.#readySince.set(id, readySince);
      this.#breakers.get(id)?.reset('worker_ready');
    }
    for (const known of [this.#breakers, this.#routed, this.#readySince, this.#losses]) {
      for (const id of known.keys()) if (!present.has(id)) known.delete(id);
    }
  }
}

function affinityKey(call: Call, settings: BalancerSettings): string | null {
  switch (settings.affinity) {
    case 'none':
      return null;
    case 'session':
      return call.sessionId;
    case 'prefix':
      return call.peek.promptHead === '' ? null : call.peek.promptHead;
  }
}

/** What can be sent again; an upload is gone. */
function bytesOf({ body }: Call): Buffer | null {
  return body.kind === 'bytes' ? body.bytes : null;
}

/** The worker is not there, or is not any more. */
function isLoss(cause: FailureCause): boolean {
  return cause === 'unsent' || cause === 'stale' || cause === 'died';
}
