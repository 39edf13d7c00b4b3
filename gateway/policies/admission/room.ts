import PQueue from 'p-queue';
import { type Call, noteWait, type Priority } from '../../core/call.ts';
import type { Timer } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import { flowOf } from '../../core/principal.ts';
import { Lease } from '../../core/lease.ts';
import { totalMs } from '../../core/time-limits.ts';
import { noWorkerError } from '../capacity/no-worker.ts';
import type { LineFigures } from '../capacity/share.ts';
import { aheadOf, displacedBy } from './fair-share.ts';
import { FairLine, type LineOptions } from './fair-line.ts';
import { type AdmissionContext, seatsOf, slotsOf } from './places.ts';
import { rejection, type RejectionKind } from './rejection.ts';
import type { LineRoom, Waiting } from './waiting.ts';

/** Larger goes first. Who has had a place already goes before those of its kind who have not. */
const PRIORITIES: Readonly<Record<Priority, { readonly first: number; readonly again: number }>> = {
  interactive: { first: 2, again: 3 },
  batch: { first: 0, again: 1 },
};
/** Ended calls before the mean service time says anything. */
const EVIDENCE = 20;
const SMOOTHING = 0.1;
const LOOK_AGAIN_MS = 250;
/** How long other processes may take to say what they have left, and how many calls may wait for that. */
const PROBATION_MS = 2_000;
const MOST_ON_PROBATION = 64;
/** A look at who has work, and its way back to us. */
const JUDGED_MS = 3_000;

/** The places of one model and the line in front of them. */
export class Room {
  readonly #model: string;
  readonly #context: AdmissionContext;
  /** It stands still but for the moments in which a place is given to the first in it. */
  readonly #line = new PQueue<FairLine, LineOptions>({ autoStart: false, queueClass: FairLine });
  #lineNumber = 0;
  readonly #waiting = new Set<Waiting>();
  #lookAgain: Timer | null = null;
  #inUse = 0;
  /** Those of lower priority among them. */
  #inUseLater = 0;
  #onProbation = 0;
  #serviceMs = 0;
  #ended = 0;

  readonly #onFreed: () => void;

  /** @param onFreed told when a place of its has come free, which is to poke it: others may have workers in common with it */
  constructor(model: string, context: AdmissionContext, onFreed = (): void => this.poke()) {
    this.#model = model;
    this.#context = context;
    this.#onFreed = onFreed;
  }

  get inUse(): number {
    return this.#inUse;
  }

  figures(): LineFigures {
    const [inUse, inUseLater, onProbation] = [this.#inUse, this.#inUseLater, this.#onProbation];
    return { model: this.#model, inUse, inUseLater, waiting: this.#line.size, waitingLater: this.depth('batch'), onProbation };
  }

  /** This process may use more than before, or has heard that it may not. */
  onShare(): void {
    this.poke();
    if (this.#onProbation === 0) return;
    for (const waiting of this.#waiting) this.#hearProbation(waiting, false);
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
    let room: LineRoom = 'free';
    if (this.#context.directory.readyFor(this.#model).length === 0) room = this.#refuseUnlessComing(call, again);
    else if (!again) room = this.#refuseIfHopeless(call);
    return this.#wait(call, again, room);
  }

  /** A place, if one is free and nobody waits; null otherwise, and for a call that is cancelled: `enter` says what becomes of it. */
  takeFree(call: Call): Lease | null {
    if (call.cancellation.cancelled || this.depth() > 0) return null;
    return this.#used() < this.#slots() ? this.#take(call.priority) : null;
  }

  /** How many more calls its workers can run at once, beyond those that have a place or go first. Negative: they have too many. */
  spare(): number {
    return this.#seats() - this.#used() - this.depth('interactive');
  }

  /** More places may be free than a moment ago: gives them to the first in line. */
  poke(): void {
    if (this.#line.size === 0) return;
    if (this.#used() >= this.#slots()) {
      this.#askForWay();
      return this.#lookForWorkers();
    }
    this.#line.start();
    this.#line.pause();
  }

  /** Whoever goes first does not wait for the end of one that has time, here or at a worker. */
  #askForWay(): void {
    const { short } = this.#context;
    if (short === undefined || this.#inUseLater === 0) return;
    const missing = Math.min(-this.spare(), this.#inUseLater);
    if (missing > 0) short(this.#model, missing);
  }

  #seats(): number {
    return seatsOf(this.#context.directory.readyFor(this.#model), this.#context, this.#context.clock.now(), this.#context.share);
  }

  #slots(): number {
    return slotsOf(this.#context.directory.readyFor(this.#model), this.#context, this.#context.clock.now(), this.#context.share);
  }

  /** What of its workers' places is not free; calls of others that are about to go to them show a moment later. */
  #used(): number {
    return this.#inUse + (this.#context.takenByOthers?.(this.#model) ?? 0);
  }

  #take(priority: Priority): Lease {
    this.#inUse++;
    if (priority === 'batch') this.#inUseLater++;
    else this.#askForWay();
    const takenAt = this.#context.clock.now();
    return new Lease(() => {
      this.#inUse--;
      if (priority === 'batch') this.#inUseLater--;
      const ms = this.#context.clock.now() - takenAt;
      this.#serviceMs = this.#ended++ === 0 ? ms : this.#serviceMs + SMOOTHING * (ms - this.#serviceMs);
      this.#onFreed();
      this.#context.share?.freed();
    });
  }

  /** How many may wait here. For a moment after they were changed a share may still be one of the settings before. */
  #mayWait(): number {
    return Math.min(this.#context.admission().max_queue, this.#context.share?.line(this.#model) ?? Infinity);
  }

  #lineRoom(): LineRoom {
    const { share } = this.#context;
    if (this.#line.size < this.#mayWait()) return 'free';
    if (share === undefined) return 'none';
    if (this.#onProbation < MOST_ON_PROBATION && share.mayHaveMore(this.#model)) return 'asked for';
    share.turnedAway(this.#model);
    return 'none';
  }

  #refuseIfHopeless(call: Call): LineRoom {
    const { clock, directory, admission } = this.#context;
    const { queue_timeout_ms } = admission();
    const flow = flowOf(call.principal);
    const retryAfterMs = this.#expectedWaitMs(aheadOf(flow, this.#waiting), this.#slots());
    const yields = call.priority === 'interactive' && this.#inUseLater > 0 && this.#context.short !== undefined;
    if (!yields && slotsOf(directory.readyFor(this.#model), this.#context, clock.now()) === 0) {
      throw this.#rejection(
        'kv_pressure',
        'The workers’ KV cache is full; new requests have to wait for running ones to end.',
        retryAfterMs,
      );
    }
    let room = this.#lineRoom();
    if (room === 'none' && this.#displace(flow, call.priority === 'batch')) room = 'free';
    if (room === 'none') throw this.#tooMany(retryAfterMs);
    const leftMs = this.#leftMs(call);
    if (this.#ended >= EVIDENCE && retryAfterMs > Math.min(queue_timeout_ms * 2, leftMs)) {
      throw this.#rejection(
        'queue_timeout',
        `The wait for ${call.model} is about ${Math.ceil(retryAfterMs / 1000)} s, longer than a request may wait.`,
        retryAfterMs,
        true,
      );
    }
    return room;
  }

  /** A full line is no one key's alone. Where several processes share it, each has only its part, and nobody is sent away for another. */
  #displace(flow: string, isLater: boolean): boolean {
    if (this.#context.share !== undefined && this.#context.share.line(this.#model) !== Infinity) return false;
    const displaced = displacedBy({ flow, isLater }, this.#waiting);
    displaced?.leaving.abort(this.#tooMany(this.#expectedWaitMs(aheadOf(displaced.flow, this.#waiting), this.#slots())));
    return displaced !== null;
  }

  #tooMany(retryAfterMs: number): GatewayError {
    return this.#rejection(
      'queue_full',
      `Too many requests are waiting for ${this.#model}${this.#howMany()}. Retry shortly.`,
      retryAfterMs,
    );
  }

  /** One of several processes knows of its own alone. */
  #howMany(): string {
    return (this.#context.share?.line(this.#model) ?? Infinity) === Infinity ? ` (${this.depth()})` : '';
  }

  /** No worker has the model. Where a supervisor can load it in time, it is waited for; where it takes longer, it is loaded all the same. */
  #refuseUnlessComing(call: Call, again: boolean): LineRoom {
    const { admission, directory, wish } = this.#context;
    const { max_queue, queue_timeout_ms } = admission();
    const entry = directory.resolve(this.#model);
    if (!entry?.loadable) throw noWorkerError(directory, this.#model);
    wish?.(this.#model, this.depth() + 1);
    const etaMs = (entry.etaSeconds ?? 0) * 1000;
    if (max_queue === 0 || etaMs > Math.min(queue_timeout_ms, this.#leftMs(call))) throw noWorkerError(directory, this.#model);
    const room = again ? 'free' : this.#lineRoom();
    if (room !== 'none') return room;
    const message = `Too many requests are waiting for ${call.model} to be loaded${this.#howMany()}. Retry shortly.`;
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

  #rejection(kind: RejectionKind, message: string, retryAfterMs: number, namesTime = false): GatewayError {
    return rejection(this.#context.admission().reject_status, kind, message, { retryAfterMs, namesTime });
  }

  async #wait(call: Call, again: boolean, room: LineRoom): Promise<Lease> {
    const priority = PRIORITIES[call.priority][again ? 'again' : 'first'];
    const flow = flowOf(call.principal);
    const { clock, admission, directory, share } = this.#context;
    const { queue_timeout_ms } = admission();
    const startedAt = clock.now();
    call.journey.phase = 'queue';
    const leaving = new AbortController();
    const offCancel = call.cancellation.onCancel((reason) => leaving.abort(reason));
    const timer = clock.after(queue_timeout_ms, () => leaving.abort(this.#tooLate(queue_timeout_ms)));
    const known = directory.readyFor(this.#model).length === 0 ? (directory.resolve(this.#model)?.etaSeconds ?? null) : null;
    const untilMs = startedAt + Math.min(queue_timeout_ms, this.#leftMs(call));
    const waiting: Waiting = {
      leaving,
      flow,
      isLater: call.priority === 'batch',
      again,
      untilMs,
      judgedUntilMs: startedAt + JUDGED_MS,
      known,
      question: null,
    };
    this.#waiting.add(waiting);
    const probation = room === 'asked for' ? clock.after(PROBATION_MS, () => this.#hearProbation(waiting, true)) : null;
    const stopWaiting = (): void => {
      offCancel();
      timer.cancel();
      probation?.cancel();
      this.#endProbation(waiting);
      this.#waiting.delete(waiting);
      noteWait(call, 'queue', startedAt, clock.now());
      if (this.#line.size > 0) return;
      this.#lookAgain?.cancel();
      this.#lookAgain = null;
    };
    try {
      const place = this.#line.add(
        () => {
          // From here on the call has its place, and whoever has the call gives it back.
          stopWaiting();
          const lease = this.#take(call.priority);
          if (this.#used() >= this.#slots()) this.#line.pause();
          return lease;
        },
        // Its own id would not do: clients choose those.
        { priority, signal: leaving.signal, id: String(this.#lineNumber++), flow },
      );
      this.#lookAgain ??= this.#watch();
      if (share !== undefined) {
        if (probation !== null) this.#onProbation++;
        const question = share.ask();
        if (probation !== null) waiting.question = question;
      }
      this.poke();
      return await place;
    } catch (error) {
      stopWaiting();
      throw error;
    }
  }

  /** There may be room for it now; where there is none and none will come, it has to go. */
  #hearProbation(waiting: Waiting, isOver: boolean): void {
    const { share } = this.#context;
    if (waiting.question === null || share === undefined) return;
    // Those before it in the line have what room there is.
    if (this.#line.size - this.#onProbation < this.#mayWait()) return this.#endProbation(waiting);
    if (isOver || share.isAnswered(this.#model, waiting.question)) {
      // It leaves the line here and now, and is to be counted nowhere from here on.
      this.#endProbation(waiting);
      share.turnedAway(this.#model);
      waiting.leaving.abort(this.#tooMany(this.#expectedWaitMs(this.depth(), this.#slots())));
    }
  }

  #endProbation(waiting: Waiting): void {
    if (waiting.question === null) return;
    waiting.question = null;
    this.#onProbation--;
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
