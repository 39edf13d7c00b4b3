import type { Failure } from '../../../supervisor/failure/failure.ts';
import type { Effect, Event } from '../../../supervisor/machine/life.ts';
import type { SlotFacts } from '../../../supervisor/slot/facts.ts';
import { factsOf } from '../../../supervisor/slot/facts.ts';
import { nextIdleMs } from '../../../supervisor/slot/sleepers.ts';
import { step } from '../../../supervisor/slot/slot.ts';
import type { Seat, SlotEffect, SlotEvent, SlotRules, SlotState } from '../../../supervisor/slot/state.ts';
import { newSlot } from '../../../supervisor/slot/state.ts';
import { obstacle, whereIs } from '../../../supervisor/slot/standing.ts';
import type { SwapMove } from '../../../supervisor/slot/swap.ts';
import type { KeptWish, WishBook } from '../../../supervisor/slot/wishes.ts';
import { decide, drain, EMPTY_BOOK, giveUp, order, settle, wish, withdraw } from '../../../supervisor/slot/wishes.ts';
import { POLICY, World } from '../machine/machine-world.ts';

/** What was made of a wish in the end. */
export type Ending = 'ready' | 'failed' | 'replaced' | 'withdrawn' | 'lapsed' | 'refused';

/** A worker's machine with its world, and whether its engine holds memory: from its spawn or waking to its end or sleep. */
export class SlotWorker extends World {
  onChange: () => void = () => {};
  use = { usedAtMs: 0, seenAtMs: 0, wasUsed: false };
  #sleeps = false;

  get isAwake(): boolean {
    return (this.live.size > 0 || this.spawning !== null) && !this.#sleeps;
  }

  override send(event: Event): readonly Effect[] {
    const before = this.state;
    const effects = super.send(event);
    if (event.type === 'slept' || this.state === 'asleep') this.#sleeps = true;
    if ((this.live.size === 0 && this.state !== 'asleep') || effects.some(({ type }) => type === 'wake')) this.#sleeps = false;
    if (this.state === 'ready' && before !== 'ready') this.use = { usedAtMs: this.nowMs, seenAtMs: this.nowMs, wasUsed: false };
    if (effects.some(({ type }) => type === 'publish')) this.onChange();
    return effects;
  }

  /** It was told to end, and can. */
  get isLeaving(): boolean {
    const { life } = this.machine;
    return life.state === 'stopping' && life.step !== 'sweep' && this.live.size > 0;
  }

  /** Somebody is waiting for something to come of it. */
  get isAwaited(): boolean {
    return this.clearing !== null || this.spawning !== null || this.asked !== null || this.sweeping !== null || this.isLeaving;
  }

  /** Whatever it is doing fails. */
  fail(failure: Failure): void {
    if (this.clearing) this.clear(failure);
    else if (this.spawning !== null) this.spawn(failure);
    else this.exit(failure);
  }

  override cooperate(): readonly Effect[] {
    return this.isLeaving ? this.exit() : super.cooperate();
  }
}

/** One slot with the worker of each of its models. */
export class SlotOfWorld {
  readonly id: string;
  readonly rules: SlotRules;
  readonly workers: ReadonlyMap<string, SlotWorker>;
  state: SlotState;
  readonly #perform: (effect: SlotEffect, slot: SlotOfWorld) => void;
  readonly #onStep: (slot: SlotOfWorld, event: SlotEvent, from: SlotState) => void;
  readonly #at: () => { nowMs: number; wallMs: number };
  readonly #events: SlotEvent[] = [];
  onChange: () => void = () => {};
  #working = false;

  constructor(
    id: string,
    rules: SlotRules,
    first: string,
    at: () => { nowMs: number; wallMs: number },
    perform: (effect: SlotEffect, slot: SlotOfWorld) => void,
    onStep: (slot: SlotOfWorld, event: SlotEvent, from: SlotState) => void,
  ) {
    this.id = id;
    this.rules = rules;
    this.state = newSlot(first);
    this.#at = at;
    this.#perform = perform;
    this.#onStep = onStep;
    this.workers = new Map(
      [...rules.models.keys()].map((model) => {
        const worker = new SlotWorker();
        worker.onChange = () => this.send({ type: 'worker', model, life: worker.machine.life });
        return [model, worker];
      }),
    );
  }

  worker(model: string): SlotWorker {
    return this.workers.get(model)!;
  }

  get seated(): SlotWorker {
    return this.worker(this.state.seat.model);
  }

  facts(): SlotFacts {
    const { machine, use } = this.seated;
    const readySinceMs = 'sinceMs' in machine.life ? machine.life.sinceMs : -Infinity;
    return factsOf(this.id, this.rules, this.state, { readySinceMs, ...use });
  }

  send(event: SlotEvent): void {
    this.#events.push(event);
    if (this.#working) return;
    this.#working = true;
    let isNews = false;
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      const from = this.state;
      const { slot, effects } = step(this.rules, from, next, this.#at());
      this.state = slot;
      this.#onStep(this, next, from);
      for (const effect of effects) this.#perform(effect, this);
      isNews ||= next.type === 'worker' || slot !== from;
    }
    this.#working = false;
    if (isNews) this.onChange();
  }
}

export interface WorldRules {
  readonly slots: number;
  readonly rules: SlotRules;
  /** How long calls wait for a swap to begin. */
  readonly spareMs: number;
}

/** Slots, the workers in them and the book of wishes, as the fleet's shell plays them together, in made-up time. */
export class FleetWorld {
  nowMs = 100_000;
  book: WishBook = EMPTY_BOOK;
  readonly slots: readonly SlotOfWorld[];
  readonly models: readonly string[];
  readonly endings: { wish: KeptWish; how: Ending; reason?: string }[] = [];
  /** Told of each decision before it is carried out. */
  onMove: (move: Exclude<SwapMove, { kind: 'keep' }>, slot: SlotFacts, by: KeptWish['by'] | null) => void = () => {};
  onSeat: (from: Seat, to: Seat, slot: SlotOfWorld, event: SlotEvent) => void = () => {};
  /** After everything that follows from one thing. */
  onSettled: () => void = () => {};
  readonly #spareMs: number;
  #lookAtMs = Infinity;
  #reviewing = false;
  #again = false;
  #closed = false;

  constructor({ slots, rules, spareMs }: WorldRules) {
    this.#spareMs = spareMs;
    this.models = [...rules.models.keys()];
    const at = () => ({ nowMs: this.nowMs, wallMs: this.nowMs });
    this.slots = Array.from(
      { length: slots },
      (_, index) =>
        new SlotOfWorld(
          `worker-${index + 1}`,
          rules,
          this.models[0]!,
          at,
          (effect, slot) => this.#perform(effect, slot),
          (slot, event, from) => this.onSeat(from.seat, slot.state.seat, slot, event),
        ),
    );
    for (const slot of this.slots) slot.onChange = () => this.review();
    this.#synchronize();
  }

  /** What is known when somebody asks. */
  situation() {
    const slots = this.slots.map((slot) => slot.facts());
    return { models: new Map(this.models.map((id) => [id, null])), book: this.book, slots, isStopping: false, nowMs: this.nowMs };
  }

  // What operators and calls do, as SwapDesk and Fleet take it.

  calls(model: string): void {
    const { slots } = this.situation();
    const known = this.book.wishes.get(model);
    if (obstacle(this.situation(), model)) {
      if (known?.by === 'calls') this.#end(known, 'refused', withdraw(this.book, model));
      return;
    }
    if (whereIs(model, slots) === 'ready') return;
    this.book = wish(this.book, model, 1, this.#spareMs, this.nowMs);
    this.review();
  }

  order(model: string): void {
    const known = this.book.wishes.get(model);
    if (whereIs(model, this.situation().slots) === 'ready') return;
    if (known) this.#end(known, 'replaced', this.book);
    this.book = order(this.book, model, this.nowMs);
    this.review();
  }

  unload(model: string): void {
    const known = this.book.wishes.get(model);
    if (known) this.#end(known, 'withdrawn', withdraw(this.book, model));
    for (const slot of this.slots) slot.send({ type: 'end_sleeper', model });
    for (const slot of this.slots) {
      const { seat } = slot.state;
      const isSwapping = seat.kind === 'vacating' || (seat.kind === 'coming' && seat.swap !== null);
      if (whereIs(model, [slot.facts()]) !== null && !isSwapping) slot.send({ type: 'swap', to: null });
    }
    this.review();
  }

  drain(slot: SlotOfWorld): void {
    if (['idle', 'failed', 'draining', 'stopping'].includes(slot.seated.state)) return;
    const before = this.book;
    const others = this.slots.filter((other) => other !== slot).map((other) => other.facts());
    this.book = drain(before, slot.facts(), others);
    slot.send({ type: 'hold' });
    for (const [id, known] of before.wishes) if (!this.book.wishes.has(id)) this.endings.push({ wish: known, how: 'withdrawn' });
    this.review();
  }

  /** Its card is lent: what is awake makes way, and asks for its start again. */
  lend(slot: SlotOfWorld): void {
    slot.send({ type: 'give_way' });
    this.review();
  }

  restart(slot: SlotOfWorld): void {
    slot.send({ type: 'restart' });
    this.review();
  }

  /** Everything is to end, and nobody decides any more. */
  stop(): void {
    this.#closed = true;
    for (const slot of this.slots) slot.send({ type: 'stop' });
  }

  /** Somebody uses a model that serves. */
  work(model: string): void {
    for (const slot of this.slots)
      if (slot.state.seat.kind === 'serving' && slot.state.seat.model === model)
        slot.seated.use = { usedAtMs: this.nowMs, seenAtMs: this.nowMs, wasUsed: true };
  }

  /** Something happens to a worker. */
  to(worker: SlotWorker, what: (worker: SlotWorker) => void): void {
    what(worker);
    this.review();
  }

  /** Decides until there is nothing to do; asked for after every change of a slot as well. */
  review(): void {
    this.#again = true;
    if (this.#reviewing || this.#closed) return;
    this.#reviewing = true;
    let rounds = 0;
    while (this.#again) {
      rounds += 1;
      if (rounds > 100) throw new Error(`it goes round in circles: ${JSON.stringify(this.slots.map(({ state }) => state))}`);
      this.#again = false;
      this.#decide();
    }
    this.#reviewing = false;
    this.onSettled();
  }

  #decide(): void {
    for (const slot of this.slots) slot.send({ type: 'time' });
    this.#settle();
    const facts = this.slots.map((slot) => slot.facts());
    const move = decide(this.book, facts, this.nowMs);
    if (move.kind === 'keep') {
      this.#lookAtMs = Math.min(move.lookAtMs ?? Infinity, ...this.slots.map(({ rules, state }) => nextIdleMs(rules, state)));
      return;
    }
    const slot = this.slots.find(({ id }) => id === move.slot)!;
    const by = move.kind === 'load' ? (this.book.wishes.get(move.model)?.by ?? null) : null;
    this.onMove(move, slot.facts(), by);
    slot.send({ type: 'swap', to: move.kind === 'load' ? move.model : null });
    this.#again = true;
  }

  /** The world does as it should: answers one question, or lets time pass to the next thing that is due. @returns whether anything was */
  cooperate(pick = 0): boolean {
    const waiting = this.workers.filter(({ isAwaited }) => isAwaited);
    const worker = waiting[pick % waiting.length];
    if (worker) this.to(worker, (one) => one.cooperate());
    else return this.#tick(Infinity);
    return true;
  }

  /** Time passes; engines that serve are well meanwhile. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      for (const worker of this.workers) if (worker.state === 'ready' && worker.asked) this.to(worker, (one) => one.answer(true));
      if (!this.#tick(endMs)) break;
    }
    this.nowMs = endMs;
    this.#synchronize();
    this.review();
  }

  #tick(endMs: number): boolean {
    const due = this.workers.flatMap((worker) => [...worker.timers.values()].map(({ dueMs }) => ({ worker, dueMs })));
    const [next] = due.toSorted((a, b) => a.dueMs - b.dueMs);
    const atMs = Math.min(next?.dueMs ?? Infinity, this.#lookAtMs);
    if (atMs === Infinity || atMs > endMs) return false;
    this.nowMs = Math.max(this.nowMs, atMs);
    this.#synchronize();
    if (next && next.dueMs <= this.#lookAtMs) this.to(next.worker, (worker) => worker.tick());
    else {
      this.#lookAtMs = Infinity;
      for (const { seated } of this.slots) if (seated.state === 'ready') seated.use = { ...seated.use, seenAtMs: this.nowMs };
      this.review();
    }
    return true;
  }

  get workers(): SlotWorker[] {
    return this.slots.flatMap(({ workers }) => [...workers.values()]);
  }

  #synchronize(): void {
    for (const worker of this.workers) worker.nowMs = this.nowMs;
  }

  #perform(effect: SlotEffect, slot: SlotOfWorld): void {
    switch (effect.type) {
      case 'tell':
        return void slot.worker(effect.model).send({ type: effect.wish });
      case 'load':
        return void slot.worker(effect.model).send({ type: 'start' });
      case 'note_leave':
        return;
      case 'give_up': {
        const known = this.book.wishes.get(effect.model);
        if (known) this.endings.push({ wish: known, how: 'failed', reason: effect.failure.message });
        this.book = giveUp(this.book, effect.model, effect.failure, this.nowMs, POLICY.halfOpenMs);
      }
    }
  }

  #settle(): void {
    const slots = this.slots.map((slot) => slot.facts());
    const before = this.book;
    this.book = settle(before, slots, this.nowMs);
    for (const [model, known] of before.wishes)
      if (!this.book.wishes.has(model)) this.endings.push({ wish: known, how: whereIs(model, slots) === 'ready' ? 'ready' : 'lapsed' });
  }

  #end(known: KeptWish, how: Ending, book: WishBook): void {
    this.endings.push({ wish: known, how });
    this.book = book;
  }
}
