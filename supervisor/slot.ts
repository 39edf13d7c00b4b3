import type { Clock } from '../gateway/core/clock.ts';
import type { WorkerState } from '../gateway/core/worker.ts';
import type { Adoptable } from './adoption.ts';
import type { PlannedModel, PlannedWorker } from './fleet-plan.ts';
import type { SupervisionPolicy } from './policy.ts';
import type { StartHistory } from './start-history.ts';
import { estimateStart } from './start-estimate.ts';
import type { SlotFacts } from './swap.ts';
import type { SupervisedWorker } from './worker.ts';

export interface SlotOptions {
  readonly clock: Clock;
  readonly policy: SupervisionPolicy;
  readonly plan: PlannedWorker;
  readonly port: number;
  readonly starts: StartHistory;
  /** A worker for one model, which is not started. */
  readonly create: (model: PlannedModel, port: number) => SupervisedWorker;
}

/** A change of the model that is under way. `to` is null where nothing is loaded afterwards. */
export interface Change {
  readonly from: string | null;
  readonly to: string | null;
  /** What is let go was ready. */
  readonly served: boolean;
  /** Monotonic and wall-clock milliseconds. */
  readonly sinceMs: number;
  readonly startedAtMs: number;
}

/** Beyond `settleMs`: what an engine with little left to do takes to end and to give its memory back. */
const USUAL_LEAVE_MS = 2500;

/**
 * A worker as the gateway knows it, whose model may change: one model's life at a time, each with its own history, one after the other on
 * the same port. The next one begins when nothing is left of the one before.
 */
export class Slot {
  readonly id: string;
  readonly #options: SlotOptions;
  readonly #workers = new Map<string, SupervisedWorker>();
  #current: SupervisedWorker;
  #change: Change | null = null;
  #held = false;
  #before: string | null = null;

  /** `adopted` runs already. */
  constructor(options: SlotOptions, adopted: Adoptable | undefined) {
    this.#options = options;
    this.id = options.plan.spec.id;
    this.#current = this.#worker(adopted?.record.model ?? options.plan.spec.modelId, options.port);
    if (adopted) this.#current.adopt(adopted);
  }

  /** The one whose model is loaded, or was last. */
  get worker(): SupervisedWorker {
    return this.#current;
  }

  get model(): string {
    return this.#current.spec.modelId;
  }

  get state(): WorkerState {
    return this.#current.state;
  }

  get change(): Change | null {
    return this.#change;
  }

  facts(): SlotFacts {
    const { life, use } = this.#current;
    const { swap } = this.#planned(this.model);
    const going = this.#change !== null && this.model !== this.#change.to;
    return {
      id: this.id,
      phase: this.#phase(),
      model: going ? (this.#change?.to ?? null) : this.#held || life.state === 'idle' ? null : this.model,
      readySinceMs: 'sinceMs' in life ? life.sinceMs : -Infinity,
      usedAtMs: use.usedAtMs,
      seenAtMs: use.seenAtMs,
      dwellMs: this.dwellMs(this.model),
      idleUnloadMs: swap.idleUnloadMs === undefined ? this.#options.policy.idleUnloadMs : swap.idleUnloadMs,
      before: this.#before,
    };
  }

  /** Loads a model, after the present one has ended; null: ends it. Not while anything is under way. */
  changeTo(model: string | null): void {
    const { clock } = this.#options;
    this.#held = false;
    if (model === this.model && this.state === 'failed') return this.#current.tell('restart');
    const from = this.state === 'idle' ? null : this.model;
    const served = this.state === 'ready';
    // What was well before is worth going back to, should the next one fail.
    this.#before = served ? from : null;
    this.#change = { from, to: model, served, sinceMs: clock.now(), startedAtMs: clock.wall() };
    if (this.state === 'idle') this.#load();
    else this.#current.tell('stop');
  }

  /** Takes the model out of service until an operator wants one again. */
  hold(): void {
    this.#held = true;
    this.#change = null;
    this.#current.tell('drain');
  }

  restart(): void {
    this.#held = false;
    this.#current.tell('restart');
  }

  stop(): void {
    this.#held = true;
    this.#change = null;
    this.#current.tell('stop');
  }

  /** After every change of the worker. */
  follow(): void {
    const change = this.#change;
    if (!change) return;
    if (this.model !== change.to) {
      if (this.state === 'idle') this.#load();
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
    const priorMs = this.#options.policy.settleMs + USUAL_LEAVE_MS;
    const samples = this.#options.starts.of(leaveKey(this.#planned(model)));
    return estimateStart(samples, priorMs, { stage: null, inStageMs: 0, loaded: 0 }).leftMs;
  }

  /** How long the model takes from launch to ready. Milliseconds. */
  startMs(model: string): number {
    return this.#worker(model, this.#current.port).startMs;
  }

  dwellMs(model: string): number {
    return this.#planned(model).swap.dwellMs ?? this.#options.policy.dwellMs;
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
    if (!change) return;
    if (change.from !== null && change.served) {
      const totalMs = this.#options.clock.now() - change.sinceMs;
      this.#options.starts.add(leaveKey(this.#planned(change.from)), { modelLoadedMs: null, graphsMs: null, totalMs });
    }
    if (change.to === null) {
      this.#change = null;
      this.#before = null;
      return;
    }
    const { port } = this.#current;
    this.#current = this.#worker(change.to, port);
    this.#current.load(port);
  }

  #worker(model: string, port: number): SupervisedWorker {
    const known = this.#workers.get(model);
    if (known) return known;
    const worker = this.#options.create(this.#planned(model), port);
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
