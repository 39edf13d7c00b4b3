import type { Clock, Timer } from '../gateway/core/clock.ts';
import type { Lease } from '../gateway/core/lease.ts';
import type { Random } from '../gateway/core/random.ts';
import type { ServedModel, WorkerView } from '../gateway/core/worker.ts';
import { EngineProcess } from './engine-process.ts';
import type { Failure } from './failure.ts';
import type { Exit } from './failure-table.ts';
import { explain, noPortLeft, refused, spawnFailed } from './failure.ts';
import type { LaunchPlan } from './launch.ts';
import type { Log } from './log.ts';
import type { LogFiles } from './log-file.ts';
import { keepAsFailed } from './log-file.ts';
import type { LogLine } from './log-lines.ts';
import type { Effect, Event, Machine, TimerName } from './life.ts';
import { NEW_MACHINE } from './life.ts';
import { step } from './machine.ts';
import type { SupervisionPolicy } from './policy.ts';
import type { PortPool } from './ports.ts';
import type { ProbeResult } from './probe.ts';
import { Probe } from './probe.ts';
import type { WorkerFacts } from './worker-view.ts';
import { toView } from './worker-view.ts';

export type Plan = { readonly kind: 'run'; readonly launch: LaunchPlan } | { readonly kind: 'refused'; readonly reason: string };

/** What a worker is to be. */
export interface WorkerSpec extends WorkerFacts {
  readonly modelId: string;
  readonly source: string;
  readonly capabilities: readonly string[];
  /** How long a start takes as far as anyone can tell before the first. */
  readonly startEstimateMs: number;
  readonly plan: (port: number, instanceId: string) => Plan;
  readonly instancePrefix: string;
}

/** What a worker's supervisor needs of the world. */
export interface WorkerWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  readonly ports: PortPool;
  readonly logs: LogFiles;
  readonly recordsDirectory: string;
  /** Calls `done` once when this worker may start, or with what stands in the way. Releasing the lease ends the wait or the turn. */
  readonly clearance: (spec: WorkerSpec, done: (failure: Failure | null) => void) => Lease;
  /** After every change of the view. */
  readonly onChange: () => void;
}

/** The single writer of one worker: feeds the machine with what happens and does what it says. */
export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #world: WorkerWorld;
  readonly #process: EngineProcess;
  readonly #timers = new Map<TimerName, Timer>();
  readonly #events: Event[] = [];
  #machine: Machine = NEW_MACHINE;
  #working = false;
  #turn: Lease | null = null;
  #port: number;
  #portIsBad = false;
  #launch: LaunchPlan | null = null;
  #probe: Probe | null = null;
  #models: readonly ServedModel[] | null = null;
  #version: string | null = null;
  #startedAtMs: number | null = null;
  #failedAtMs: number | null = null;
  #startEstimateMs: number;

  /** `port` is the worker's, taken from the pool. */
  constructor(spec: WorkerSpec, port: number, world: WorkerWorld) {
    this.spec = spec;
    this.#port = port;
    this.#world = world;
    this.#startEstimateMs = spec.startEstimateMs;
    this.#process = new EngineProcess({
      clock: world.clock,
      worker: spec.id,
      modelId: spec.modelId,
      logs: world.logs,
      recordsDirectory: world.recordsDirectory,
      sweepGraceMs: world.policy.sweepGraceMs,
      isMarked: (instanceId) => instanceId.startsWith(spec.instancePrefix),
    });
  }

  get state(): WorkerView['state'] {
    return this.#machine.life.state;
  }

  /** The engine's own version, once it has been ready. */
  get version(): string | null {
    return this.#version;
  }

  view(): WorkerView {
    const plan = this.#launch ?? this.#plan(this.#port, '');
    const shell = {
      port: this.#port,
      models: this.#models ?? [{ id: this.spec.modelId, root: this.spec.source, parent: null, maxModelLen: plan?.maxModelLen ?? null }],
      maxNumSeqs: plan?.maxNumSeqs ?? 1,
      args: plan?.args ?? [],
      startedAtMs: this.#startedAtMs,
      failedAtMs: this.#failedAtMs,
      startEstimateMs: this.#startEstimateMs,
    };
    return toView(this.spec, this.#machine, shell, this.#world.clock.now());
  }

  /** The end of the engine's log. */
  lines(): readonly LogLine[] {
    return this.#process.lines();
  }

  tell(wish: 'start' | 'restart' | 'drain' | 'stop'): void {
    this.#send({ type: wish });
  }

  /** Ends the engine's whole process group at once; for a supervisor that has no time left. */
  killNow(): void {
    this.#process.killNow();
  }

  /** One event at a time, in the order of their coming: effects may cause events, but never in the middle of a step. */
  #send(event: Event): void {
    this.#events.push(event);
    if (this.#working) return;
    this.#working = true;
    let changed = false;
    for (let next = this.#events.shift(); next; next = this.#events.shift()) changed = this.#handle(next) || changed;
    this.#working = false;
    if (changed) this.#world.onChange();
  }

  #handle(event: Event): boolean {
    const { policy, clock, random } = this.#world;
    const before = this.#machine;
    const { machine, effects } = step(policy, before, event, { nowMs: clock.now(), chance: random.next() });
    this.#machine = machine;
    if (machine.life.state !== before.life.state) this.#logChange(before.life.state);
    for (const effect of effects) this.#perform(effect);
    return effects.some(({ type }) => type === 'publish');
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'await_clearance':
        return this.#awaitClearance(effect.epoch);
      case 'release_clearance':
        this.#turn?.release();
        this.#turn = null;
        return;
      case 'spawn':
        return void this.#spawn(effect.incarnation);
      case 'probe':
        return void this.#ask(effect.epoch, effect.depth);
      case 'warm_up':
        return void this.#warmUp(effect.epoch);
      case 'terminate_leader':
        return this.#process.terminateLeader(effect.pid);
      case 'terminate_group':
        return this.#process.terminateGroup(effect.pid);
      case 'kill_group':
        return this.#process.killGroup(effect.pid);
      case 'sweep':
        return void this.#process.sweep().then((survivors) => this.#send({ type: 'swept', epoch: effect.epoch, survivors }));
      case 'set_timer':
        return this.#setTimer(effect.timer, effect.epoch, effect.afterMs);
      case 'cancel_timers':
        for (const timer of this.#timers.values()) timer.cancel();
        return this.#timers.clear();
      case 'take_next_port':
        this.#portIsBad = true;
        return;
      case 'report_failure':
        return this.#reportFailure(effect.failure, effect.next);
      case 'publish':
        return;
    }
  }

  #setTimer(timer: TimerName, epoch: number, afterMs: number): void {
    this.#timers.get(timer)?.cancel();
    this.#timers.set(
      timer,
      this.#world.clock.after(afterMs, () => this.#send({ type: 'timer', epoch, timer })),
    );
  }

  #awaitClearance(epoch: number): void {
    this.#turn = this.#world.clearance(this.spec, (failure) =>
      this.#send(failure ? { type: 'vram_busy', epoch, failure } : { type: 'vram_free', epoch }),
    );
  }

  async #spawn(incarnation: number): Promise<void> {
    try {
      await this.#launchEngine(incarnation);
    } catch (error) {
      // A full disk or a folder that cannot be written: nothing of the engine was started yet.
      const { code, message } = error as NodeJS.ErrnoException;
      this.#send({ type: 'spawn_failed', incarnation, failure: spawnFailed(this.spec.id, code ?? 'UNKNOWN', message) });
    }
  }

  async #launchEngine(incarnation: number): Promise<void> {
    const fail = (failure: Failure) => this.#send({ type: 'spawn_failed', incarnation, failure });
    if (!(await this.#findPort())) return fail(noPortLeft());
    const instanceId = `${this.spec.instancePrefix}${incarnation}`;
    const plan = this.spec.plan(this.#port, instanceId);
    if (plan.kind === 'refused') return fail(refused(plan.reason));
    this.#launch = plan.launch;
    this.#models = null;
    await this.#probe?.close();
    this.#probe = new Probe(`http://127.0.0.1:${this.#port}`, this.spec.modelId, this.spec.capabilities);
    await this.#process.start(plan.launch, this.#port, instanceId, {
      onSpawned: (pid) => {
        this.#startedAtMs = this.#world.clock.wall();
        this.#send({ type: 'spawned', incarnation, pid });
      },
      onSpawnFailed: fail,
      onProgress: ({ stage, serving }) => this.#send({ type: 'progress', incarnation, stage, serving }),
      onExited: (exit) => this.#send({ type: 'exited', incarnation, failure: this.#explain(exit) }),
    });
  }

  /** Keeps the port unless it is, or has become, somebody else's. */
  async #findPort(): Promise<boolean> {
    const { ports } = this.#world;
    if (!this.#portIsBad && (await ports.isFree(this.#port))) return true;
    const port = await ports.take();
    if (port === null) return false;
    ports.release(this.#port);
    this.#port = port;
    this.#portIsBad = false;
    return true;
  }

  #explain(exit: Exit): Failure {
    const { life } = this.#machine;
    const stage = life.state === 'starting' && life.step === 'loading' ? life.stage : life.state === 'warming' ? 'warmup' : 'ready';
    return explain(exit, stage, this.#process.lines());
  }

  async #ask(epoch: number, depth: 'serving' | 'health'): Promise<void> {
    const result = await this.#result((probe) => (depth === 'serving' ? probe.serving() : probe.health()));
    if (result.kind === 'failed') return this.#send({ type: 'probe_failed', epoch, reason: result.reason, timedOut: result.timedOut });
    if (depth === 'serving' && epoch === this.#machine.epoch) this.#models = result.models;
    this.#send({ type: 'probe_ok', epoch });
  }

  async #warmUp(epoch: number): Promise<void> {
    const result = await this.#result((probe) => probe.generate());
    if (result.kind === 'failed') return this.#send({ type: 'warm_up_failed', epoch, reason: result.reason });
    this.#version = (await this.#probe?.version()) ?? null;
    this.#send({ type: 'warmed', epoch });
  }

  async #result(ask: (probe: Probe) => Promise<ProbeResult>): Promise<ProbeResult> {
    return this.#probe ? ask(this.#probe) : { kind: 'failed', reason: 'there is no engine to ask', timedOut: false };
  }

  #plan(port: number, instanceId: string): LaunchPlan | null {
    const plan = this.spec.plan(port, instanceId);
    return plan.kind === 'run' ? plan.launch : null;
  }

  #reportFailure(failure: Failure, next: 'retry' | 'give_up'): void {
    this.#failedAtMs = this.#world.clock.wall();
    this.#keepLog();
    const fields = { worker: this.spec.id, class: failure.class, phase: failure.phase, advice: failure.advice, next };
    this.#world.log.error('worker.failure', failure.message, fields);
  }

  #keepLog(): void {
    try {
      keepAsFailed(this.#world.logs);
    } catch (error) {
      this.#world.log.warn('worker.failure', `The log of the failure could not be kept: ${(error as Error).message}.`, {
        worker: this.spec.id,
      });
    }
  }

  #logChange(from: WorkerView['state']): void {
    const { life, incarnation } = this.#machine;
    if (life.state === 'ready' && this.#startedAtMs !== null) this.#startEstimateMs = this.#world.clock.wall() - this.#startedAtMs;
    this.#world.log.info('worker.state', `${this.spec.id} is ${life.state}.`, {
      worker: this.spec.id,
      model: this.spec.modelId,
      state: life.state,
      from,
      start: incarnation,
      port: this.#port,
      pid: 'process' in life ? (life.process?.pid ?? null) : null,
    });
  }
}
