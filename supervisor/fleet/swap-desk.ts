import type { Clock, Timer } from '../../gateway/core/clock.ts';
import type { ModelLoad, SwapView } from '../../gateway/link/snapshot.ts';
import type { Failure } from '../failure/failure.ts';
import type { Life } from '../machine/life.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { Slot } from './slot.ts';
import type { SlotFacts, SwapCosts, Wish } from './swap.ts';
import { expectMs, LOOK_MS, nextMove } from './swap.ts';
import { mayPass } from '../machine/judgement.ts';
import type { WishResult } from './wish-result.ts';

interface SwapDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  /** Each model that there is, with what stands in the way of its ever being loaded here, if anything does. */
  readonly models: ReadonlyMap<string, string | null>;
  readonly slots: readonly Slot[];
  /** How long a call may wait for its model. */
  readonly maxWaitMs: number;
  /** After a change that no worker tells of. */
  readonly onChange: () => void;
}

/** A wish of calls that is not repeated for this long is given up: clients are told to come back within a minute. */
const WISH_LIFE_MS = 60_000;

type HeldWish = Wish & { readonly heardAtMs: number; readonly waiting: number };

/** Which model is loaded where: keeps the wishes, and does what `swap.ts` says. */
export class SwapDesk {
  readonly #options: SwapDeskOptions;
  readonly #wishes = new Map<string, HeldWish>();
  /** Models that were given up, and until when nobody tries them for a call. */
  readonly #failed = new Map<string, { readonly failure: Failure; readonly untilMs: number }>();
  /** Ends of models that are in `failed` already. */
  readonly #noted = new WeakSet<Life>();
  #timer: Timer | null = null;
  #reviewing = false;
  #again = false;
  #closed = false;

  constructor(options: SwapDeskOptions) {
    this.#options = options;
  }

  /** Calls wait for a model. Repeated as long as they do. */
  wish(model: string, waiting: number): WishResult {
    const reason = this.#obstacle(model);
    if (reason) return reason;
    const present = this.#whereIs(model);
    if (present === 'ready') return { kind: 'accepted', will: `${model} is loaded.` };
    const nowMs = this.#options.clock.now();
    const known = this.#wishes.get(model);
    if (known) this.#wishes.set(model, { ...known, heardAtMs: nowMs, waiting });
    else {
      // Half of what the change itself leaves of their patience: an estimate may be wrong, and those who wait are to be still there.
      const spareMs = (this.#options.maxWaitMs - this.#changeMs(model)) / 2;
      this.#wishes.set(model, { model, by: 'calls', sinceMs: nowMs, boundMs: Math.max(0, spareMs), heardAtMs: nowMs, waiting });
      if (present === null) this.#look();
    }
    this.review();
    if (!known) this.#options.onChange();
    return { kind: 'accepted', will: this.#forecast(model) };
  }

  /** An operator wants a model loaded now. */
  load(model: string): WishResult {
    this.#failed.delete(model);
    const reason = this.#obstacle(model, true);
    if (reason) return reason;
    if (this.#whereIs(model) === 'ready') return { kind: 'accepted', will: `${model} is loaded.` };
    const nowMs = this.#options.clock.now();
    this.#wishes.set(model, { model, by: 'operator', sinceMs: nowMs, boundMs: 0, heardAtMs: nowMs, waiting: 0 });
    this.review();
    this.#options.onChange();
    return { kind: 'accepted', will: this.#forecast(model) };
  }

  /** An operator wants its memory back. A later call loads it again. */
  unload(model: string): WishResult {
    if (!this.#options.models.has(model)) return unknown(model);
    if (this.#closed) return STOPPING;
    this.#wishes.delete(model);
    const loaded = this.#options.slots.filter((slot) => {
      const facts = slot.facts();
      return facts.model === model && facts.phase !== 'failed' && facts.phase !== 'held';
    });
    const sleeping = this.#options.slots.filter(({ asleep }) => asleep.includes(model));
    for (const slot of sleeping) slot.endSleeper(model);
    if (loaded.length === 0 && sleeping.length > 0) return { kind: 'accepted', will: 'It sleeps, and is ended.' };
    if (loaded.length === 0) return { kind: 'conflict', reason: `${model} is not loaded.` };
    if (loaded.some(({ change }) => change !== null)) return { kind: 'conflict', reason: `${model} is just being loaded.` };
    for (const slot of loaded) slot.changeTo(null);
    return { kind: 'accepted', will: 'It takes no new requests, finishes those it has, and is unloaded.' };
  }

  /** How a model stands, for the gateway. */
  stateOf(model: string): ModelLoad {
    const present = this.#whereIs(model);
    const asleep = this.#options.slots.some((slot) => slot.asleep.includes(model));
    if (present === 'ready') return { state: 'ready', loadable: true, etaSeconds: null, reason: null, asleep };
    const obstacle = this.#obstacle(model);
    if (present === null && obstacle) {
      const reason = this.#options.models.get(model) ?? (this.#isFailed(model) ? (this.#failed.get(model)?.failure.message ?? null) : null);
      return { state: reason === null ? 'available' : 'failed', loadable: false, etaSeconds: null, reason, asleep };
    }
    const { clock, slots } = this.#options;
    const wishes = [...this.#wishes.values()];
    const leftMs = expectMs(model, this.#facts(), wishes, clock.now(), costsOf(slots));
    return {
      state: present === null ? 'available' : 'loading',
      loadable: true,
      etaSeconds: leftMs === null ? null : seconds(leftMs),
      reason: null,
      asleep,
    };
  }

  /** Changes of model that are under way. */
  swaps(): readonly SwapView[] {
    const { clock, slots } = this.#options;
    return slots.flatMap((slot): SwapView[] => {
      const { change, id } = slot;
      if (!change) return [];
      const leftMs = slot.leftMs();
      const goneMs = clock.now() - change.sinceMs;
      const percent = Math.min(99, Math.floor((100 * goneMs) / Math.max(1, goneMs + leftMs)));
      return [{ worker: id, from: change.from, to: change.to, startedAtMs: change.startedAtMs, etaSeconds: seconds(leftMs), percent }];
    });
  }

  /** Decides anew; after every change of a worker. */
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
    const { clock, slots, log } = this.#options;
    const nowMs = clock.now();
    for (const slot of slots) slot.follow();
    this.#settleWishes(nowMs);
    this.#timer?.cancel();
    this.#timer = null;
    const idleMs = Math.min(...slots.map((slot) => slot.endIdleSleepers(nowMs)));
    const move = nextMove(this.#facts(), [...this.#wishes.values()], nowMs);
    if (move.kind === 'keep') {
      const expiryMs = Math.min(...[...this.#wishes.values()].map((wish) => wish.heardAtMs + WISH_LIFE_MS));
      const atMs = Math.min(move.lookAtMs ?? Infinity, expiryMs, idleMs);
      if (atMs < Infinity) this.#timer = clock.after(Math.max(1, atMs - nowMs), () => this.#lookAgain());
      return;
    }
    const slot = slots.find(({ id }) => id === move.slot);
    if (!slot) return;
    const to = move.kind === 'load' ? move.model : null;
    const waiting = to === null ? 0 : (this.#wishes.get(to)?.waiting ?? 0);
    const { model: from, readySinceMs, phase } = slot.facts();
    const will = to === null ? `unloads ${from}, which nobody uses` : from === null ? `loads ${to}` : `changes from ${from} to ${to}`;
    log.info('model.swap', `${slot.id} ${will}.`, {
      ...{ worker: slot.id, from, to, waiting },
      served_ms: phase === 'serving' ? Math.round(nowMs - readySinceMs) : null,
    });
    slot.changeTo(to);
    this.#again = true;
    this.#options.onChange();
  }

  /** Drops wishes that have come true or to nothing, and notes models that were given up. */
  #settleWishes(nowMs: number): void {
    const { policy, slots } = this.#options;
    for (const { worker, model, state } of slots) {
      if (state === 'ready') {
        this.#wishes.delete(model);
        this.#failed.delete(model);
      }
      const { life } = worker;
      if (life.state !== 'failed' || this.#noted.has(life)) continue;
      this.#noted.add(life);
      this.#wishes.delete(model);
      this.#failed.set(model, { failure: life.failure, untilMs: mayPass(life.failure) ? nowMs + policy.halfOpenMs : Infinity });
    }
    for (const [model, wish] of this.#wishes) if (wish.by === 'calls' && nowMs - wish.heardAtMs >= WISH_LIFE_MS) this.#wishes.delete(model);
  }

  #facts(): SlotFacts[] {
    return this.#options.slots.map((slot) => {
      const facts = slot.facts();
      return facts.before !== null && this.#isFailed(facts.before) ? { ...facts, before: null } : facts;
    });
  }

  #isFailed(model: string): boolean {
    return this.#options.clock.now() < (this.#failed.get(model)?.untilMs ?? -Infinity);
  }

  /** ready, on its way, or null: nowhere. */
  #whereIs(model: string): 'ready' | 'coming' | null {
    const own = this.#facts().filter((slot) => slot.model === model && slot.phase !== 'failed' && slot.phase !== 'held');
    if (own.some(({ phase }) => phase === 'serving')) return 'ready';
    return own.length > 0 ? 'coming' : null;
  }

  #obstacle(model: string, isOrder = false): Exclude<WishResult, { kind: 'accepted' }> | null {
    const refusal = this.#options.models.get(model);
    if (refusal === undefined) return unknown(model);
    if (this.#closed) return STOPPING;
    if (refusal !== null) return { kind: 'conflict', reason: refusal };
    if (isOrder) return null;
    if (this.#isFailed(model))
      return { kind: 'conflict', reason: `${model} was given up. ${this.#failed.get(model)?.failure.message ?? ''}` };
    if (this.#facts().every(({ phase }) => phase === 'held'))
      return { kind: 'conflict', reason: 'Every worker was drained by an operator.' };
    return null;
  }

  /** What a change to the model takes by itself. */
  #changeMs(model: string): number {
    return Math.min(...this.#options.slots.map((slot) => slot.leaveMs(slot.model) + slot.startMs(model)));
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
  #look(): void {
    for (const { worker } of this.#options.slots) {
      if (worker.state !== 'ready' || this.#options.clock.now() - worker.use.seenAtMs < LOOK_MS / 2) continue;
      void worker.look().then(() => this.review());
    }
  }
}

function costsOf(slots: readonly Slot[]): SwapCosts {
  // Slots are alike but for what sleeps in them; their history they share.
  const [any] = slots;
  return {
    left: ({ id }) => slots.find((slot) => slot.id === id)?.leftMs() ?? 0,
    leave: (model) => any?.leaveMs(model) ?? 0,
    start: (model, slotId) => slots.find(({ id }) => id === slotId)?.startMs(model) ?? 0,
    dwell: (model) => any?.dwellMs(model) ?? 0,
  };
}

const STOPPING = { kind: 'conflict', reason: 'The supervisor is stopping.' } as const;

function unknown(model: string): Exclude<WishResult, { kind: 'accepted' | 'conflict' }> {
  return { kind: 'unknown', reason: `There is no model ${model}.` };
}

/** A move that takes longer than expected is not late by a negative time. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
