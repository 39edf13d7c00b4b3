import type { Clock } from '../../gateway/core/clock.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import type { Life } from '../machine/life.ts';
import type { PlannedModel, PlannedWorker } from '../plan/plan.ts';
import type { SlotFacts } from '../slot/facts.ts';
import { asleepIn, factsOf } from '../slot/facts.ts';
import { isClearing, nextIdleMs } from '../slot/sleepers.ts';
import { step } from '../slot/slot.ts';
import type { SlotEffect, SlotEvent, SlotRules, SlotState, Swap } from '../slot/state.ts';
import { newSlot } from '../slot/state.ts';
import { CardUse } from './card-use.ts';
import type { Room } from './clearance.ts';
import { turnRules } from './turn-rules.ts';
import type { LentCards } from './lent-cards.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { Adoptable, Adoptables } from '../worker/adoption.ts';
import { estimateStart } from '../worker/start-estimate.ts';
import type { StartHistory } from '../worker/start-history.ts';
import { latestFailure } from '../worker/view.ts';
import type { SupervisedWorker } from '../worker/worker.ts';

/** What a worker needs of its slot. */
export interface WorkerLinks {
  readonly room: Room;
  /** After every change of its view. */
  readonly onChange: () => void;
}

export interface SlotOptions {
  readonly clock: Clock;
  readonly policy: SupervisionPolicy;
  readonly plan: PlannedWorker;
  /** For each model. Where one of them may sleep each has its own, else they take turns on one. */
  readonly ports: ReadonlyMap<string, number>;
  readonly starts: StartHistory;
  /** The model that it is to have first where nothing runs yet; null: as planned. */
  readonly first: string | null;
  readonly leases: Pick<LentCards, 'lentUntil' | 'heldUpMs'>;
  /** A worker for one model, which is not started. */
  readonly create: (model: PlannedModel, port: number, links: WorkerLinks) => SupervisedWorker;
  /** A model was given up. Told before `onChange`. */
  readonly onGiveUp: (model: string, failure: Failure) => void;
  /** After every change of the slot or of one of its workers. */
  readonly onChange: () => void;
}

/** Beyond `settleMs`: what an engine with little left to do takes to end and to give its memory back, and to fall asleep. */
const USUAL_LEAVE_MS = 2500;
const USUAL_DOZE_MS = 1000;

/** A worker as the gateway knows it, whose model may change. Feeds the slot's machine with what happens, and does what it says. */
export class Slot {
  readonly id: string;
  readonly cards: CardUse;
  readonly #options: SlotOptions;
  readonly #rules: SlotRules;
  readonly #workers = new Map<string, SupervisedWorker>();
  readonly #events: SlotEvent[] = [];
  #state: SlotState;
  #working = false;
  #isStopping = false;

  /** `adopted` runs already. */
  constructor(options: SlotOptions, adopted?: Adoptables) {
    const { plan, policy } = options;
    this.#options = options;
    this.id = plan.spec.id;
    this.cards = new CardUse(plan.models, (model) => this.#worker(model));
    this.#rules = { models: new Map([...plan.models].map(([id, model]) => [id, turnRules(model, policy)])), maxAsleep: plan.maxAsleep };
    const first = options.first !== null && plan.models.has(options.first) ? options.first : plan.spec.modelId;
    this.#state = newSlot(adopted?.awake?.record.model ?? first);
    for (const adoptable of [...(adopted?.asleep ?? []), ...(adopted?.awake ? [adopted.awake] : [])]) this.#adopt(adoptable);
  }

  /** The one whose model is loaded, or was last. */
  get worker(): SupervisedWorker {
    return this.#worker(this.#state.seat.model);
  }

  /** What it is, and the last failure of any of its models: one that was swapped out has failed all the same. */
  view(): WorkerView {
    const untilMs = this.#options.leases.lentUntil(this.#planned(this.model).gpuUuids);
    const lent = untilMs === null ? {} : { lent: { untilMs } };
    const own = { ...this.worker.view(), ...lent };
    const view: WorkerView = this.isDrained ? { ...own, state: 'drained' } : own;
    return view.lastFailure ? view : { ...view, lastFailure: latestFailure(this.#workers.values()) };
  }

  /** An operator has taken it out of service. */
  get isHeld(): boolean {
    return this.#state.seat.kind === 'held' && !this.#isStopping;
  }

  /** The same, and nothing runs in it any more. */
  get isDrained(): boolean {
    return this.isHeld && this.worker.state === 'idle';
  }

  get model(): string {
    return this.#state.seat.model;
  }

  /** The model may be loaded here. */
  has(model: string): boolean {
    return this.#rules.models.has(model);
  }

  get state(): Life['state'] {
    return this.worker.state;
  }

  /** The swap that is under way. `to`: null where nothing is loaded afterwards. */
  get swap(): (Swap & { readonly to: string | null }) | null {
    const { seat } = this.#state;
    if (seat.kind === 'vacating') return seat.swap && { ...seat.swap, to: seat.to };
    return seat.kind === 'coming' && seat.swap ? { ...seat.swap, to: seat.model } : null;
  }

  /** It is being cleared for another model, or for none. */
  get isVacating(): boolean {
    return this.#state.seat.kind === 'vacating';
  }

  /** Models whose engines sleep here. */
  get asleep(): readonly string[] {
    return asleepIn(this.#state);
  }

  /** Nothing runs, or what does cannot be ended. */
  get isAtRest(): boolean {
    return [...this.#workers.values()].every(({ state }) => state === 'idle' || state === 'failed');
  }

  facts(): SlotFacts {
    const { life, use } = this.worker;
    const { usedAtMs, seenAtMs, everUsed: wasUsed } = use;
    const readySinceMs = 'sinceMs' in life ? life.sinceMs : -Infinity;
    const lent = [...this.#rules.models.keys()].filter((model) => this.#heldUpMs(model) > 0);
    return { ...factsOf(this.id, this.#rules, this.#state, { readySinceMs, usedAtMs, seenAtMs, wasUsed }), lent };
  }

  /** The model that it has, or is about to have; that it had last where it is to have none. */
  get nextModel(): string {
    const { seat } = this.#state;
    return (seat.kind === 'vacating' ? seat.to : null) ?? seat.model;
  }

  /** Its card is lent: what is awake there sleeps or ends, and is back when the card is. */
  giveWay(uuid: string): void {
    if (!this.#planned(this.model).gpuUuids.includes(uuid) || this.cards.isOff(uuid)) return;
    this.#send({ type: 'give_way' });
  }

  /** Starts its first model, unless anything is under way. */
  start(): void {
    this.#send({ type: 'start' });
  }

  /** Loads a model, after the present one has ended or sleeps; null: ends all there are. Not heard while a swap is under way. */
  swapTo(to: string | null): void {
    this.#send({ type: 'swap', to });
  }

  /** Ends the engine of a model that sleeps. */
  endSleeper(model: string): void {
    this.#send({ type: 'end_sleeper', model });
  }

  /** Ends those that have slept for as long as their rules let them go unused. @returns when the next will have, or Infinity */
  endIdleSleepers(): number {
    this.#send({ type: 'time' });
    return nextIdleMs(this.#rules, this.#state);
  }

  /** Takes the model out of service until an operator wants one again. */
  hold(): void {
    this.#send({ type: 'hold' });
  }

  /** `reset`: with what the profiles of its models ask for, whatever was relaxed. */
  restart(reset: boolean): void {
    if (reset) for (const model of this.#options.plan.models.keys()) this.#worker(model).resetLadder();
    this.#send({ type: 'restart' });
  }

  stop(): void {
    this.#isStopping = true;
    this.#send({ type: 'stop' });
  }

  /** Lets go of its workers, whose engines go on. */
  leave(): void {
    for (const worker of this.#workers.values()) worker.leave();
  }

  killNow(): void {
    for (const worker of this.#workers.values()) worker.killNow();
  }

  /** What is left until the model that is about to be loaded is ready. Milliseconds. */
  leftMs(): number {
    const { seat } = this.#state;
    if (seat.kind !== 'vacating') return this.worker.startLeftMs ?? this.worker.startMs;
    const goneMs = seat.swap === null ? 0 : this.#options.clock.now() - seat.swap.sinceMs;
    const leaveMs = Math.max(0, this.leaveMs(seat.model) - goneMs);
    return leaveMs + (seat.to === null ? 0 : this.startMs(seat.to) + this.#heldUpMs(seat.to));
  }

  /** How long the model takes to go, from the decision until another can be launched. Milliseconds. */
  leaveMs(model: string): number {
    const planned = this.#planned(model);
    const priorMs = this.#options.policy.settleMs + (planned.swap.sleep === null ? USUAL_LEAVE_MS : USUAL_DOZE_MS);
    const samples = this.#options.starts.of(leaveKey(planned));
    return estimateStart(samples, priorMs, { stage: null, inStageMs: 0, loaded: 0 }).leftMs;
  }

  /** How long the model takes from launch, or from its sleep, to ready; where nothing is under way, from when its card is back. Milliseconds. */
  startMs(model: string): number {
    const { kind } = this.#state.seat;
    const isUnderWay = kind === 'coming' || kind === 'vacating';
    return this.#worker(model).startMs + (isUnderWay ? 0 : this.#heldUpMs(model));
  }

  #heldUpMs(model: string): number {
    return this.#options.leases.heldUpMs(this.#planned(model).gpuUuids);
  }

  dwellMs(model: string): number {
    return this.#rules.models.get(model)?.dwellMs ?? 0;
  }

  /** One event at a time, in the order of their coming: effects may cause events, but never in the middle of a step. */
  #send(event: SlotEvent): void {
    this.#events.push(event);
    if (this.#working) return;
    this.#working = true;
    let isNews = false;
    for (let next = this.#events.shift(); next; next = this.#events.shift()) isNews = this.#handle(next) || isNews;
    this.#working = false;
    if (isNews) this.#options.onChange();
  }

  #handle(event: SlotEvent): boolean {
    const { clock } = this.#options;
    const before = this.#state;
    const { slot, effects } = step(this.#rules, before, event, { nowMs: clock.now(), wallMs: clock.wall() });
    this.#state = slot;
    for (const effect of effects) this.#perform(effect);
    // A worker may show something new that makes no difference to its slot.
    return event.type === 'worker' || slot !== before;
  }

  #perform(effect: SlotEffect): void {
    switch (effect.type) {
      case 'tell':
        return this.#worker(effect.model).tell(effect.wish);
      case 'load':
        return this.#worker(effect.model).load(this.#worker(this.#sharesPort ? effect.after : effect.model).port);
      case 'note_leave': {
        const samples = leaveKey(this.#planned(effect.model));
        return this.#options.starts.add(samples, { modelLoadedMs: null, graphsMs: null, totalMs: effect.tookMs });
      }
      case 'give_up':
        return this.#options.onGiveUp(effect.model, effect.failure);
    }
  }

  get #sharesPort(): boolean {
    return [...this.#rules.models.values()].every(({ sleeps }) => !sleeps);
  }

  #adopt(adoptable: Adoptable): void {
    this.#worker(adoptable.record.model).adopt(adoptable);
  }

  #worker(model: string): SupervisedWorker {
    const known = this.#workers.get(model);
    if (known) return known;
    const { ports, create } = this.#options;
    const worker = create(this.#planned(model), ports.get(model) ?? 0, {
      room: { make: () => this.#send({ type: 'make_room' }), isBeingMade: () => isClearing(this.#state) },
      onChange: () => this.#send({ type: 'worker', model, life: worker.life }),
    });
    this.#workers.set(model, worker);
    return worker;
  }

  #planned(model: string): PlannedModel {
    const planned = this.#options.plan.models.get(model);
    if (!planned) throw new Error(`${this.id} has no plan for ${model}`);
    return planned;
  }
}

function leaveKey({ spec }: PlannedModel): string {
  return `leave ${spec.fingerprint}`;
}
