import type { ServedModel, WorkerStage } from '../../gateway/core/worker.ts';
import type { EngineProcess } from '../engine/process.ts';
import type { Failure } from '../failure/failure.ts';
import type { Effect, Machine } from '../machine/life.ts';
import { keepAsFailed } from '../system/log-file.ts';
import type { WorkerRecord } from '../engine/record.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';
import type { WorkerWorld } from './world.ts';
import { wakeKey } from '../plan/worker-spec.ts';

/** What the shell knows of a worker at a change. */
interface Circumstances {
  readonly port: number;
  readonly models: readonly ServedModel[] | null;
  readonly version: string | null;
  readonly sleepLevel: SleepLevel;
}

/** Tells the log, the record for a later supervisor and the history of starts what becomes of one worker. Wall-clock times in milliseconds. */
export class WorkerReport {
  readonly #spec: WorkerSpec;
  readonly #world: WorkerWorld;
  readonly #process: EngineProcess;
  /** When this start has reached which stage, in milliseconds from its launch. */
  readonly #stages = new Map<WorkerStage, number>();
  #startedAtMs: number | null = null;
  #failedAtMs: number | null = null;
  /** When it began to wake, as long as it is not ready. */
  #wakingSinceMs: number | null = null;

  constructor(spec: WorkerSpec, world: WorkerWorld, process: EngineProcess) {
    this.#spec = spec;
    this.#world = world;
    this.#process = process;
  }

  get startedAtMs(): number | null {
    return this.#startedAtMs;
  }

  get failedAtMs(): number | null {
    return this.#failedAtMs;
  }

  get failedAt(): string | null {
    return this.#failedAtMs === null ? null : iso(this.#failedAtMs);
  }

  /** How long the present process has been there. */
  get livedMs(): number {
    const nowMs = this.#world.clock.wall();
    return Math.max(0, nowMs - (this.#startedAtMs ?? nowMs));
  }

  /** A start begins. The result is its time, in ISO. */
  launched(): string {
    this.#stages.clear();
    this.#wakingSinceMs = null;
    this.#startedAtMs = this.#world.clock.wall();
    return iso(this.#startedAtMs);
  }

  /** It did not end in the time that it had: it hangs, or does not heed signals. `next`: what is done about it, a sentence. */
  overdue(next: string): void {
    const { id: worker, modelId: model } = this.#spec;
    this.#world.log.warn('worker.overdue', `${worker} has not ended in the time that it had for it. ${next}`, { worker, model });
  }

  /** What a later supervisor would take the engine over by is not on disk. */
  unwritten(reason: string): void {
    const told = `What runs could not be written down: ${reason}. Should the supervisor end, the next one ends the engine of ${this.#spec.id} instead of taking it over.`;
    this.#world.log.warn('worker.record', told, { worker: this.#spec.id });
  }

  /** A sleeper begins to wake. */
  waking(): void {
    this.#wakingSinceMs = this.#world.clock.wall();
    this.#process.note({ life: 'ending' });
  }

  adopted({ worker, pid, port, startedAt, failedAt, life }: WorkerRecord): void {
    this.#startedAtMs = Date.parse(startedAt);
    this.#failedAtMs = failedAt === null ? null : Date.parse(failedAt);
    this.#world.log.info('worker.adopted', `${worker} goes on as it is: process ${pid} was left running.`, { worker, pid, port, life });
  }

  failed(failure: Failure, next: Extract<Effect, { type: 'report_failure' }>['next']): void {
    const { log, clock } = this.#world;
    this.#failedAtMs = clock.wall();
    this.#process.note({ lastFailure: failure, failedAt: iso(this.#failedAtMs) });
    if (next !== 'watch') this.#keepLog();
    const { class: name, phase, advice, message } = failure;
    const level = next === 'watch' || next === 'relax' || next === 'rest' ? 'warn' : 'error';
    log[level]('worker.failure', message, { worker: this.#spec.id, class: name, phase, advice, next });
  }

  changed(from: Machine['life'], { life, incarnation }: Machine, { port, models, version, sleepLevel }: Circumstances): void {
    if (life.state === 'starting' && life.step === 'loading' && from.state === 'starting' && from.step === 'loading') {
      if (life.stage !== from.stage) this.#reached(life.stage);
      return;
    }
    if (life.state === from.state) return;
    if (life.state === 'ready' && from.state === 'warming') this.#ready(models ?? [], version);
    if (life.state === 'asleep') this.#process.note({ life: 'asleep', sleepLevel });
    if (life.state === 'stopping' || (life.state === 'draining' && life.step === 'told')) this.#process.note({ life: 'ending' });
    const { id: worker, modelId: model } = this.#spec;
    const pid = 'process' in life ? (life.process?.pid ?? null) : null;
    const next = life.state === 'starting' && this.#world.heldUpMs() > 0 ? 'once its GPU is back' : null;
    const fields = { worker, model, state: life.state, from: from.state, start: incarnation, port, pid, next };
    this.#world.log.info('worker.state', `${worker} is ${life.state}${next === null ? '' : `, ${next}`}.`, fields);
  }

  #reached(stage: WorkerStage): void {
    this.#stages.set(stage, this.livedMs);
    this.#process.note({ stage });
  }

  #ready(models: readonly ServedModel[], version: string | null): void {
    this.#remember();
    const readySince = iso(this.#world.clock.wall());
    this.#process.note({ life: 'ready', stage: 'ready', readySince, served: [...models], version });
  }

  /** How long it took. */
  #remember(): void {
    const { clock, starts } = this.#world;
    if (this.#wakingSinceMs !== null) {
      const totalMs = Math.max(0, clock.wall() - this.#wakingSinceMs);
      this.#wakingSinceMs = null;
      return starts.add(wakeKey(this.#spec), { modelLoadedMs: null, graphsMs: null, totalMs });
    }
    const [modelLoadedMs, graphsMs] = [this.#stages.get('model_loaded') ?? null, this.#stages.get('cuda_graphs') ?? null];
    starts.add(this.#spec.fingerprint, { modelLoadedMs, graphsMs, totalMs: this.livedMs });
  }

  #keepLog(): void {
    try {
      keepAsFailed(this.#process.logFile, this.#world.logs);
    } catch (error) {
      const worker = this.#spec.id;
      this.#world.log.warn('worker.failure', `The log of the failure could not be kept: ${(error as Error).message}.`, { worker });
    }
  }
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
