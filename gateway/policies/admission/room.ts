import PQueue from 'p-queue';
import type { Call, Priority } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import { Lease } from '../../core/lease.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import { totalMs, type TotalSettings } from '../../core/time-limits.ts';
import { noWorkerError } from '../capacity/no-worker.ts';
import { pressureFactor, type PressureSettings } from '../capacity/pressure.ts';

export interface AdmissionSettings {
  /** Calls that may wait, a model. */
  readonly max_queue: number;
  readonly queue_timeout_ms: number;
  /** Share of the workers' own capacity that is sent to them beyond it, so that they never wait for us. */
  readonly headroom: number;
  readonly reject_status: 503 | 429;
}

export interface AdmissionContext {
  readonly clock: Clock;
  readonly events: Events;
  readonly directory: WorkerDirectory;
  readonly admission: () => AdmissionSettings;
  readonly pressure: () => PressureSettings;
  readonly timeouts: () => TotalSettings;
  /** Calls wait for a model that no worker has, but whose entry says that it can be loaded. Called again and again while they do. */
  readonly wish?: (model: string, waiting: number) => void;
}

/** Larger goes first. Who has had a place already goes before those of its kind who have not. */
const PRIORITIES: Readonly<Record<Priority, { readonly first: number; readonly again: number }>> = {
  interactive: { first: 2, again: 3 },
  batch: { first: 0, again: 1 },
};
/** Ended calls before the mean service time says anything. */
const EVIDENCE = 20;
const SMOOTHING = 0.1;
const LOOK_AGAIN_MS = 250;
/** A look at who has work, and its way back to us. */
const JUDGED_MS = 3_000;

/**
 * Calls of a model that its ready workers can run at once: capacity and headroom, less what pressure withholds. A slow start shifts load
 * between workers and takes nothing away from all of them, so it has no part here.
 */
export function slotsOf(workers: readonly Worker[], context: AdmissionContext, now: number): number {
  const { headroom } = context.admission();
  const pressure = context.pressure();
  let slots = 0;
  for (const worker of workers) {
    const factor = pressureFactor(pressure, worker.load, now);
    if (factor > 0) slots += Math.max(1, Math.floor(worker.view.maxNumSeqs * (1 + headroom) * factor));
  }
  return slots;
}

/** A call that waits. */
interface Waiting {
  /** Ends its wait. */
  readonly leaving: AbortController;
  /** Until when it may wait. */
  readonly untilMs: number;
  /**
   * An estimate that changes later than this is no reason to send it away. Its own coming changes the first one: only then is it looked at
   * whether the model in the way has work.
   */
  readonly judgedUntilMs: number;
  /** The estimate that it waits for, which is told anew only now and then; null: none was known yet. Seconds. */
  known: number | null;
}

/** The places of one model and the line in front of them. */
export class Room {
  readonly #model: string;
  readonly #context: AdmissionContext;
  /** Order, priority and abort are p-queue's. It stands still but for the moments in which a place is given to the first in it. */
  readonly #line = new PQueue({ autoStart: false });
  readonly #waiting = new Set<Waiting>();
  #lookAgain: Timer | null = null;
  #inUse = 0;
  #serviceMs = 0;
  #ended = 0;

  constructor(model: string, context: AdmissionContext) {
    this.#model = model;
    this.#context = context;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Calls that wait; of one priority, or of all. */
  depth(priority?: Priority): number {
    if (priority === undefined) return this.#line.size;
    const { first, again } = PRIORITIES[priority];
    return this.#line.sizeBy({ priority: first }) + this.#line.sizeBy({ priority: again });
  }

  /**
   * A place, at once or after a wait. `again`: the call had one, and lost its worker. It is not turned away because others have come since,
   * so the line may be as much longer than `max_queue` as there were places.
   * @throws queue_full · queue_timeout · kv_pressure · model_loading · no_worker · the reason of the call's cancellation
   */
  async enter(call: Call, again = false): Promise<Lease> {
    call.cancellation.throwIfCancelled();
    const free = this.takeFree(call);
    if (free) return free;
    const slots = this.#slots();
    if (this.#context.directory.readyFor(this.#model).length === 0) this.#refuseUnlessComing(call, again);
    else if (!again) this.#refuseIfHopeless(call, slots);
    return this.#wait(call, PRIORITIES[call.priority][again ? 'again' : 'first']);
  }

  /** A place, if one is free and nobody waits; null otherwise, and for a call that is cancelled: `enter` says what becomes of it. */
  takeFree(call: Call): Lease | null {
    if (call.cancellation.cancelled || this.depth() > 0) return null;
    return this.#inUse < this.#slots() ? this.#take() : null;
  }

  /** More places may be free than a moment ago: gives them to the first in line. */
  poke(): void {
    if (this.#line.size === 0) return;
    if (this.#inUse >= this.#slots()) return this.#lookForWorkers();
    this.#line.start();
    this.#line.pause();
  }

  #slots(): number {
    return slotsOf(this.#context.directory.readyFor(this.#model), this.#context, this.#context.clock.now());
  }

  #take(): Lease {
    this.#inUse++;
    const takenAt = this.#context.clock.now();
    return new Lease(() => {
      this.#inUse--;
      const ms = this.#context.clock.now() - takenAt;
      this.#serviceMs = this.#ended++ === 0 ? ms : this.#serviceMs + SMOOTHING * (ms - this.#serviceMs);
      this.poke();
    });
  }

  #refuseIfHopeless(call: Call, slots: number): void {
    const { max_queue, queue_timeout_ms } = this.#context.admission();
    const retryAfterMs = this.#expectedWaitMs(this.depth(), slots);
    if (slots === 0) {
      throw this.#rejection(
        'kv_pressure',
        'The workers’ KV cache is full; new requests have to wait for running ones to end.',
        retryAfterMs,
      );
    }
    if (this.depth() >= max_queue) {
      throw this.#rejection(
        'queue_full',
        `Too many requests are waiting for ${call.model} (${this.depth()}). Retry shortly.`,
        retryAfterMs,
      );
    }
    const leftMs = this.#leftMs(call);
    if (this.#ended >= EVIDENCE && retryAfterMs > Math.min(queue_timeout_ms * 2, leftMs)) {
      throw this.#rejection(
        'queue_timeout',
        `The wait for ${call.model} is about ${Math.ceil(retryAfterMs / 1000)} s, longer than a request may wait.`,
        retryAfterMs,
        true,
      );
    }
  }

  /** No worker has the model. Where a supervisor can load it in time, it is waited for; where it takes longer, it is loaded all the same. */
  #refuseUnlessComing(call: Call, again: boolean): void {
    const { admission, directory, wish } = this.#context;
    const { max_queue, queue_timeout_ms } = admission();
    const entry = directory.resolve(this.#model);
    if (!entry?.loadable) throw noWorkerError(directory, this.#model);
    wish?.(this.#model, this.depth() + 1);
    const etaMs = (entry.etaSeconds ?? 0) * 1000;
    if (max_queue === 0 || etaMs > Math.min(queue_timeout_ms, this.#leftMs(call))) throw noWorkerError(directory, this.#model);
    if (again || this.depth() < max_queue) return;
    const message = `Too many requests are waiting for ${call.model} to be loaded (${this.depth()}). Retry shortly.`;
    throw this.#rejection('queue_full', message, Math.max(etaMs, 1000));
  }

  /** No place is free. If that is because no worker has the model, those who wait for it keep wishing, or learn that it has failed. */
  #lookForWorkers(): void {
    const { directory, wish } = this.#context;
    if (directory.readyFor(this.#model).length > 0) return;
    const entry = directory.resolve(this.#model);
    if (entry?.loadable) {
      this.#judge(entry.etaSeconds);
      return wish?.(this.#model, this.depth());
    }
    if (entry?.state !== 'failed') return;
    for (const { leaving } of [...this.#waiting]) leaving.abort(noWorkerError(directory, this.#model));
  }

  /** How long the next life of a worker takes to come is known only a while after its end: who waits longer than it may learns that then. */
  #judge(etaSeconds: number | null): void {
    const { directory, clock } = this.#context;
    if (etaSeconds === null) return;
    for (const waiting of [...this.#waiting]) {
      if (waiting.known !== null && (etaSeconds <= waiting.known || clock.now() > waiting.judgedUntilMs)) continue;
      waiting.known = etaSeconds;
      if (clock.now() + etaSeconds * 1000 > waiting.untilMs) waiting.leaving.abort(noWorkerError(directory, this.#model));
    }
  }

  /** Until the call's own time is over. */
  #leftMs(call: Call): number {
    return call.arrivedAt + totalMs(this.#context.timeouts(), call.peek.stream) - this.#context.clock.now();
  }

  /** How long the call behind `ahead` others waits, from the mean time a place is held. */
  #expectedWaitMs(ahead: number, slots: number): number {
    return ((ahead + 1) / Math.max(1, slots)) * (this.#ended > 0 ? this.#serviceMs : 1_000);
  }

  /** `namesTime`: the message says how long it takes. */
  #rejection(kind: 'queue_full' | 'queue_timeout' | 'kv_pressure', message: string, retryAfterMs: number, namesTime = false): GatewayError {
    const when = { retryAfterMs, namesTime };
    if (kind === 'kv_pressure' || this.#context.admission().reject_status === 503) return new GatewayError(kind, message, when);
    return new GatewayError(kind, message, { ...when, status: 429, type: 'rate_limit_error', code: 'slow_down' });
  }

  async #wait(call: Call, priority: number): Promise<Lease> {
    const { clock, admission } = this.#context;
    const { queue_timeout_ms } = admission();
    const startedAt = clock.now();
    call.journey.phase = 'queue';
    const leaving = new AbortController();
    const offCancel = call.cancellation.onCancel((reason) => leaving.abort(reason));
    const timer = clock.after(queue_timeout_ms, () => {
      leaving.abort(this.#tooLate(queue_timeout_ms));
    });
    const { directory } = this.#context;
    const known = directory.readyFor(this.#model).length === 0 ? (directory.resolve(this.#model)?.etaSeconds ?? null) : null;
    const untilMs = startedAt + Math.min(queue_timeout_ms, this.#leftMs(call));
    const waiting: Waiting = { leaving, untilMs, judgedUntilMs: startedAt + JUDGED_MS, known };
    this.#waiting.add(waiting);
    const stopWaiting = (): void => {
      offCancel();
      timer.cancel();
      this.#waiting.delete(waiting);
      call.journey.queueMs += clock.now() - startedAt;
      if (this.#line.size > 0) return;
      this.#lookAgain?.cancel();
      this.#lookAgain = null;
    };
    try {
      const place = this.#line.add(
        () => {
          // From here on the call has its place, and whoever has the call gives it back.
          stopWaiting();
          const lease = this.#take();
          if (this.#inUse >= this.#slots()) this.#line.pause();
          return lease;
        },
        { priority, signal: leaving.signal },
      );
      this.#lookAgain ??= this.#watch();
      this.poke();
      return await place;
    } catch (error) {
      stopWaiting();
      throw error;
    }
  }

  #tooLate(waitedMs: number): GatewayError {
    const { directory } = this.#context;
    const unserved = directory.readyFor(this.#model).length === 0 && directory.resolve(this.#model)?.loadable === true;
    if (unserved) return noWorkerError(directory, this.#model);
    return this.#rejection('queue_timeout', `The request waited ${waitedMs} ms for a place and was given up.`, waitedMs);
  }

  /** Places also come with every scrape, as pressure falls. */
  #watch(): Timer {
    return this.#context.clock.after(LOOK_AGAIN_MS, () => {
      this.#lookAgain = this.#watch();
      this.poke();
    });
  }
}
