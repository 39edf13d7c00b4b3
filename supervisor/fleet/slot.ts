import type { Clock } from '../../gateway/core/clock.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import type { Adoptable, Adoptables } from '../worker/adoption.ts';
import type { PlannedModel, PlannedWorker } from '../plan/plan.ts';
import type { Life } from '../machine/life.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { StartHistory } from '../worker/start-history.ts';
import { estimateStart } from '../worker/start-estimate.ts';
import type { SlotFacts } from './swap.ts';
import { latestFailure } from '../worker/view.ts';
import type { SupervisedWorker } from '../worker/worker.ts';

interface SlotOptions {
  readonly clock: Clock;
  readonly policy: SupervisionPolicy;
  readonly plan: PlannedWorker;
  /** For each model. Where one of them may sleep each has its own, else they take turns on one. */
  readonly ports: ReadonlyMap<string, number>;
  readonly starts: StartHistory;
  /** A worker for one model, which is not started. `makeRoom`: ends what sleeps beside it; false where nothing does. */
  readonly create: (model: PlannedModel, port: number, makeRoom: () => boolean) => SupervisedWorker;
}

/** A change of the model that is under way. `to` is null where nothing is loaded afterwards. */
interface Change {
  readonly from: string | null;
  readonly to: string | null;
  /** What is let go was ready. */
  readonly served: boolean;
  /** Monotonic and wall-clock milliseconds. */
  readonly sinceMs: number;
  readonly startedAtMs: number;
}

/** Beyond `settleMs`: what an engine with little left to do takes to end and to give its memory back, and to fall asleep. */
const USUAL_LEAVE_MS = 2500;
const USUAL_DOZE_MS = 1000;

/**
 * A worker as the gateway knows it, whose model may change: one model serves at a time. The next one begins when nothing is left of the one
 * before, or when that sleeps.
 */
export class Slot {
  readonly id: string;
  readonly #options: SlotOptions;
  readonly #workers = new Map<string, SupervisedWorker>();
  /** Since when each of those that sleep does. Monotonic milliseconds; the first has slept for longest. */
  readonly #asleep = new Map<SupervisedWorker, number>();
  #current: SupervisedWorker;
  #change: Change | null = null;
  #held = false;
  #before: string | null = null;

  /** `adopted` runs already. */
  constructor(options: SlotOptions, adopted?: Adoptables) {
    this.#options = options;
    this.id = options.plan.spec.id;
    for (const sleeper of adopted?.asleep ?? []) this.#asleep.set(this.#adopt(sleeper), options.clock.now());
    this.#current = adopted?.awake ? this.#adopt(adopted.awake) : this.#worker(options.plan.spec.modelId);
    this.#asleep.delete(this.#current);
  }

  /** The one whose model is loaded, or was last. */
  get worker(): SupervisedWorker {
    return this.#current;
  }

  /** What it is, and the last failure of any of its models: one that was changed away from has failed all the same. */
  view(): WorkerView {
    const view = this.#current.view();
    return view.lastFailure ? view : { ...view, lastFailure: latestFailure(this.#workers.values()) };
  }

  get model(): string {
    return this.#current.spec.modelId;
  }

  get state(): Life['state'] {
    return this.#current.state;
  }

  get change(): Change | null {
    return this.#change;
  }

  /** Models whose engines sleep here, those that have slept for longest first. */
  get asleep(): readonly string[] {
    return [...this.#asleep.keys()].filter(({ state }) => state === 'asleep').map(({ spec }) => spec.modelId);
  }

  /** Nothing runs, or what does cannot be ended. */
  get isAtRest(): boolean {
    return [...this.#workers.values()].every(({ state }) => state === 'idle' || state === 'failed');
  }

  facts(): SlotFacts {
    const { life, use } = this.#current;
    const going = this.#change !== null && this.model !== this.#change.to;
    return {
      id: this.id,
      phase: this.#phase(),
      model: going ? (this.#change?.to ?? null) : this.#held || life.state === 'idle' ? null : this.model,
      readySinceMs: 'sinceMs' in life ? life.sinceMs : -Infinity,
      usedAtMs: use.usedAtMs,
      seenAtMs: use.seenAtMs,
      wasUsed: use.everUsed,
      dwellMs: this.dwellMs(this.model),
      idleUnloadMs: this.#idleUnloadMs(this.model),
      before: this.#before,
      asleep: this.asleep,
    };
  }

  /** Starts its model. Only at first. */
  start(): void {
    if (this.state === 'idle' || this.state === 'asleep') this.#current.tell('start');
  }

  /** Loads a model, after the present one has ended or sleeps; null: ends all there are. Not while anything is under way. */
  changeTo(model: string | null): void {
    const { clock } = this.#options;
    this.#held = false;
    if (model === this.model && this.state === 'failed') return this.#current.tell('restart');
    const from = this.state === 'idle' ? null : this.model;
    const served = this.state === 'ready';
    // What was well before is worth going back to, should the next one fail.
    this.#before = served ? from : null;
    this.#change = { from, to: model, served, sinceMs: clock.now(), startedAtMs: clock.wall() };
    const sleeps = served && model !== null && this.#current.spec.sleep !== null;
    const room = model === null ? 0 : this.#options.plan.maxAsleep - Number(sleeps);
    const others = [...this.#asleep.keys()].filter(({ spec }) => spec.modelId !== model);
    for (const tooMany of others.slice(0, Math.max(0, others.length - room))) tooMany.tell('stop');
    if (this.state === 'idle') this.#load();
    else this.#current.tell(sleeps ? 'sleep' : 'stop');
  }

  /** Ends the engine of a model that sleeps. */
  endSleeper(model: string): void {
    for (const sleeper of this.#asleep.keys()) if (sleeper.spec.modelId === model) sleeper.tell('stop');
  }

  /** Ends those that have slept for as long as their rules let them go unused. @returns when the next will have, or Infinity */
  endIdleSleepers(nowMs: number): number {
    let nextMs = Infinity;
    for (const [sleeper, sinceMs] of this.#asleep) {
      const dueMs = sinceMs + (this.#idleUnloadMs(sleeper.spec.modelId) ?? Infinity);
      if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
      else if (sleeper.state === 'asleep') sleeper.tell('stop');
    }
    return nextMs;
  }

  /** Takes the model out of service until an operator wants one again. */
  hold(): void {
    this.#held = true;
    this.#change = null;
    this.#current.tell('drain');
    this.#endSleepers();
  }

  /** `reset`: with what the profiles of its models ask for, whatever was relaxed. */
  restart(reset: boolean): void {
    this.#held = false;
    if (reset) for (const model of this.#options.plan.models.keys()) this.#worker(model).resetLadder();
    this.#current.tell('restart');
  }

  stop(): void {
    this.#held = true;
    this.#change = null;
    this.#current.tell('stop');
    this.#endSleepers();
  }

  killNow(): void {
    for (const worker of this.#workers.values()) worker.killNow();
  }

  /** After every change of a worker. */
  follow(): void {
    for (const sleeper of this.#asleep.keys()) if (sleeper.state === 'idle' || sleeper.state === 'failed') this.#asleep.delete(sleeper);
    const change = this.#change;
    if (!change) return;
    if (this.model !== change.to) {
      if (this.state === 'idle' || this.state === 'asleep') this.#load();
      // Its processes cannot be ended, so they keep the GPU: only a person can help.
      else if (this.state === 'failed') [this.#change, this.#held] = [null, true];
      return;
    }
    const { state } = this.#current;
    if (state === 'ready') this.#before = null;
    if (state === 'ready' || state === 'failed' || state === 'idle') this.#change = null;
  }

  /** What is left until the model that is about to be loaded is ready. Milliseconds. */
  leftMs(): number {
    const change = this.#change;
    if (!change || this.model === change.to) return this.#current.startLeftMs ?? this.#current.startMs;
    const gone = this.#options.clock.now() - change.sinceMs;
    const leave = Math.max(0, this.leaveMs(this.model) - gone);
    return leave + (change.to === null ? 0 : this.startMs(change.to));
  }

  /** How long the model takes to go, from the decision until another can be launched. Milliseconds. */
  leaveMs(model: string): number {
    const planned = this.#planned(model);
    const priorMs = this.#options.policy.settleMs + (planned.swap.sleep === null ? USUAL_LEAVE_MS : USUAL_DOZE_MS);
    const samples = this.#options.starts.of(leaveKey(planned));
    return estimateStart(samples, priorMs, { stage: null, inStageMs: 0, loaded: 0 }).leftMs;
  }

  /** How long the model takes from launch, or from its sleep, to ready. Milliseconds. */
  startMs(model: string): number {
    return this.#worker(model).startMs;
  }

  dwellMs(model: string): number {
    return this.#planned(model).swap.dwellMs ?? this.#options.policy.dwellMs;
  }

  #idleUnloadMs(model: string): number | null {
    const { idleUnloadMs } = this.#planned(model).swap;
    return idleUnloadMs === undefined ? this.#options.policy.idleUnloadMs : idleUnloadMs;
  }

  #phase(): SlotFacts['phase'] {
    if (this.#change && this.model !== this.#change.to) return 'moving';
    if (this.#held) return 'held';
    switch (this.#current.life.state) {
      case 'ready':
        return 'serving';
      case 'backoff':
        return 'recovering';
      case 'failed':
        return 'failed';
      case 'idle':
        return 'resting';
      default:
        return 'moving';
    }
  }

  #load(): void {
    const change = this.#change;
    // Those that make room for it have to be gone.
    if (!change || [...this.#asleep.keys()].some(({ state }) => state !== 'asleep')) return;
    if (change.from !== null && change.served) {
      const totalMs = this.#options.clock.now() - change.sinceMs;
      this.#options.starts.add(leaveKey(this.#planned(change.from)), { modelLoadedMs: null, graphsMs: null, totalMs });
    }
    if (change.to === null) {
      this.#change = null;
      this.#before = null;
      return;
    }
    const before = this.#current;
    if (this.#current.state === 'asleep') this.#asleep.set(this.#current, this.#options.clock.now());
    this.#current = this.#worker(change.to);
    this.#asleep.delete(this.#current);
    this.#current.load(this.#hasSleepers ? this.#current.port : before.port);
  }

  get #hasSleepers(): boolean {
    return [...this.#options.plan.models.values()].some(({ swap }) => swap.sleep !== null);
  }

  #endSleepers(): boolean {
    const sleepers = [...this.#asleep.keys()].filter(({ state }) => state === 'asleep');
    for (const sleeper of sleepers) sleeper.tell('stop');
    return sleepers.length > 0;
  }

  #adopt(adoptable: Adoptable): SupervisedWorker {
    const worker = this.#worker(adoptable.record.model);
    worker.adopt(adoptable);
    return worker;
  }

  #worker(model: string): SupervisedWorker {
    const known = this.#workers.get(model);
    if (known) return known;
    const { ports, create } = this.#options;
    const worker = create(this.#planned(model), ports.get(model) ?? 0, () => this.#endSleepers());
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
