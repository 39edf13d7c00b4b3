import type { Clock, Timer } from '../../gateway/core/clock.ts';
import type { ModelLoad, SwapView } from '../../gateway/link/snapshot.ts';
import type { Failure } from '../failure/failure.ts';
import type { SlotFacts } from '../slot/facts.ts';
import type { SwapCosts } from '../slot/forecast.ts';
import type { Situation } from '../slot/standing.ts';
import { obstacle, standingOf, whereIs, wholeSeconds } from '../slot/standing.ts';
import type { SwapMove } from '../slot/swap.ts';
import { LOOK_MS } from '../slot/swap.ts';
import type { WishResult } from '../slot/wish-result.ts';
import { STOPPING, unknownModel } from '../slot/wish-result.ts';
import type { WishBook } from '../slot/wishes.ts';
import { decide, drain, EMPTY_BOOK, giveUp, order, settle, wish, withdraw } from '../slot/wishes.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { Slot } from './slot.ts';

export interface SwapDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  /** Each model that there is, with what stands in the way of its ever being loaded here, if anything does. */
  readonly models: ReadonlyMap<string, string | null>;
  readonly slots: readonly Slot[];
  /** How long a call may wait for its model. */
  readonly maxWaitMs: number;
  /** After a change that no slot tells of. */
  readonly onChange: () => void;
}

/** Which model is loaded where: keeps the book of wishes, asks it what to do next, and has the slots do it. */
export class SwapDesk {
  readonly #options: SwapDeskOptions;
  #book: WishBook = EMPTY_BOOK;
  #timer: Timer | null = null;
  #reviewing = false;
  #again = false;
  #closed = false;

  constructor(options: SwapDeskOptions) {
    this.#options = options;
  }

  /** Calls wait for a model. Repeated as long as they do. */
  wish(model: string, waiting: number): WishResult {
    const situation = this.#situation();
    const reason = obstacle(situation, model);
    if (reason) return reason;
    const present = whereIs(model, situation.slots);
    if (present === 'ready') return { kind: 'accepted', will: `${model} is loaded.` };
    const isNew = !this.#book.wishes.has(model);
    // Half of what the swap itself leaves of their patience: an estimate may be wrong, and those who wait are to be still there.
    const spareMs = (this.#options.maxWaitMs - this.#swapMs(model)) / 2;
    this.#book = wish(this.#book, model, waiting, spareMs, situation.nowMs);
    // What is in the way may have had work that nobody has looked at yet, and then stays for longer than was told.
    if (isNew && present === null) this.#look(() => this.#options.onChange());
    this.review();
    if (isNew) this.#options.onChange();
    return { kind: 'accepted', will: this.#forecast(model) };
  }

  /** An operator wants a model loaded now. */
  load(model: string): WishResult {
    const situation = this.#situation();
    const reason = obstacle(situation, model, true);
    if (reason) return reason;
    const isReady = whereIs(model, situation.slots) === 'ready';
    if (isReady) return { kind: 'accepted', will: `${model} is loaded.` };
    this.#book = order(this.#book, model, situation.nowMs);
    this.review();
    this.#options.onChange();
    return { kind: 'accepted', will: this.#forecast(model) };
  }

  /** An operator wants its memory back. A later call loads it again. */
  unload(model: string): WishResult {
    if (!this.#options.models.has(model)) return unknownModel(model);
    if (this.#closed) return STOPPING;
    this.#book = withdraw(this.#book, model);
    const loaded = this.#options.slots.filter((slot) => whereIs(model, [slot.facts()]) !== null);
    const sleeping = this.#options.slots.filter(({ asleep }) => asleep.includes(model));
    for (const slot of sleeping) slot.endSleeper(model);
    if (loaded.length === 0 && sleeping.length > 0) return { kind: 'accepted', will: 'It sleeps, and is ended.' };
    if (loaded.length === 0) return { kind: 'conflict', reason: `${model} is not loaded.` };
    if (loaded.some(({ swap }) => swap !== null)) return { kind: 'conflict', reason: `${model} is just being loaded.` };
    for (const slot of loaded) slot.swapTo(null);
    return { kind: 'accepted', will: 'It takes no new requests, finishes those it has, and is unloaded.' };
  }

  /** An operator wants nothing loaded in a slot, whoever has ordered what before. */
  drain(slot: Slot): void {
    const others = this.#options.slots.filter((other) => other !== slot).map((other) => other.facts());
    this.#book = drain(this.#book, slot.facts(), others);
    slot.hold();
  }

  /** A model was given up. */
  gaveUp(model: string, failure: Failure): void {
    const { clock, policy } = this.#options;
    this.#book = giveUp(this.#book, model, failure, clock.now(), policy.halfOpenMs);
  }

  /** How a model stands, for the gateway. */
  stateOf(model: string): ModelLoad {
    return standingOf(this.#situation(), model, costsOf(this.#options.slots));
  }

  /** Swaps that are under way. */
  swaps(): readonly SwapView[] {
    const { clock, slots } = this.#options;
    return slots.flatMap((slot): SwapView[] => {
      const { swap, id } = slot;
      if (!swap) return [];
      const { from, to, sinceMs, startedAtMs } = swap;
      const leftMs = slot.leftMs();
      const goneMs = clock.now() - sinceMs;
      const percent = Math.min(99, Math.floor((100 * goneMs) / Math.max(1, goneMs + leftMs)));
      return [{ worker: id, from, to, startedAtMs, etaSeconds: wholeSeconds(leftMs), percent }];
    });
  }

  /** Decides anew; after every change of a slot. */
  review(): void {
    this.#again = true;
    if (this.#reviewing || this.#closed) return;
    this.#reviewing = true;
    while (this.#again) {
      this.#again = false;
      this.#step();
    }
    this.#reviewing = false;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #step(): void {
    const { clock, slots } = this.#options;
    const nowMs = clock.now();
    this.#timer?.cancel();
    this.#timer = null;
    const idleMs = Math.min(...slots.map((slot) => slot.endIdleSleepers()));
    this.#book = settle(this.#book, this.#facts(), nowMs);
    const move = decide(this.#book, this.#facts(), nowMs);
    if (move.kind !== 'keep') return this.#make(move, nowMs);
    const atMs = Math.min(move.lookAtMs ?? Infinity, idleMs);
    if (atMs < Infinity) this.#timer = clock.after(Math.max(1, atMs - nowMs), () => this.#lookAgain());
  }

  #make(move: Exclude<SwapMove, { kind: 'keep' }>, nowMs: number): void {
    const { slots, log, onChange } = this.#options;
    const slot = slots.find(({ id }) => id === move.slot);
    if (!slot) return;
    const to = move.kind === 'load' ? move.model : null;
    const waiting = to === null ? 0 : (this.#book.wishes.get(to)?.waiting ?? 0);
    const { model: from, readySinceMs, phase } = slot.facts();
    const will = to === null ? `unloads ${from}, which nobody uses` : from === null ? `loads ${to}` : `changes from ${from} to ${to}`;
    log.info('model.swap', `${slot.id} ${will}.`, {
      ...{ worker: slot.id, from, to, waiting },
      served_ms: phase === 'serving' ? Math.round(nowMs - readySinceMs) : null,
    });
    slot.swapTo(to);
    this.#again = true;
    onChange();
  }

  #facts(): SlotFacts[] {
    return this.#options.slots.map((slot) => slot.facts());
  }

  #situation(): Situation {
    const { models, clock } = this.#options;
    return { models, book: this.#book, slots: this.#facts(), isStopping: this.#closed, nowMs: clock.now() };
  }

  /** What a swap to the model takes by itself. */
  #swapMs(model: string): number {
    const own = this.#options.slots.filter((slot) => slot.has(model));
    return Math.min(...own.map((slot) => slot.leaveMs(slot.model) + slot.startMs(model)));
  }

  #forecast(model: string): string {
    const { etaSeconds } = this.stateOf(model);
    return `${model} is being loaded${etaSeconds === null ? '' : `; it should be ready in about ${etaSeconds} s`}.`;
  }

  #lookAgain(): void {
    this.#look();
    this.review();
  }

  /** Whether the models in the way have work decides over them: their workers are asked. */
  #look(then: () => void = () => {}): void {
    for (const { worker } of this.#options.slots) {
      if (worker.state !== 'ready' || this.#options.clock.now() - worker.use.seenAtMs < LOOK_MS / 2) continue;
      void worker.look().then(() => {
        this.review();
        then();
      });
    }
  }
}

function costsOf(slots: readonly Slot[]): SwapCosts {
  // Slots that have a model are alike but for what sleeps in them; their history they share.
  const any = (model: string) => slots.find((slot) => slot.has(model));
  return {
    left: ({ id }) => slots.find((slot) => slot.id === id)?.leftMs() ?? 0,
    leave: (model) => any(model)?.leaveMs(model) ?? 0,
    start: (model, slotId) => slots.find(({ id }) => id === slotId)?.startMs(model) ?? 0,
    dwell: (model) => any(model)?.dwellMs(model) ?? 0,
  };
}
