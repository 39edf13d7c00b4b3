import type { Clock, Timer } from '../gateway/core/clock.ts';
import type { Lease } from '../gateway/core/lease.ts';
import type { Random } from '../gateway/core/random.ts';
import type { ServedModel, WorkerStage, WorkerView } from '../gateway/core/worker.ts';
import type { Adoptable } from './adoption.ts';
import type { EngineListener } from './engine-process.ts';
import { EngineProcess } from './engine-process.ts';
import type { Failure } from './failure.ts';
import { explain } from './failure-explain.ts';
import type { Exit, FailurePhase } from './failure-table.ts';
import { noPortLeft, refused, spawnFailed } from './failure.ts';
import type { LadderLimits, Relaxation, Setup } from './ladder.ts';
import { nextStep, relax } from './ladder.ts';
import { LadderRecord } from './ladder-record.ts';
import type { LaunchPlan } from './launch.ts';
import type { Effect, Event, Machine, TimerName } from './life.ts';
import { NEW_MACHINE } from './life.ts';
import type { Log } from './log.ts';
import type { LogFiles } from './log-file.ts';
import { keepAsFailed } from './log-file.ts';
import type { LogLine } from './log-lines.ts';
import { step } from './machine.ts';
import type { SupervisionPolicy } from './policy.ts';
import type { PortPool } from './ports.ts';
import type { ProbeResult } from './probe.ts';
import { Probe } from './probe.ts';
import type { StartHistory } from './start-history.ts';
import type { WorkerFacts } from './worker-view.ts';
import { toView } from './worker-view.ts';

export type Plan = { readonly kind: 'run'; readonly launch: LaunchPlan } | { readonly kind: 'refused'; readonly reason: string };

/** What a worker is to be. */
export interface WorkerSpec extends WorkerFacts {
  readonly modelId: string;
  readonly source: string;
  readonly capabilities: readonly string[];
  readonly gpuUuids: readonly string[];
  /** How long a start takes as far as anyone can tell before the first. */
  readonly startEstimateMs: number;
  readonly instancePrefix: string;
  /** Of everything that it is launched with, except for the port and what is relaxed. */
  readonly fingerprint: string;
  /** What the profiles and the operator ask for, and how far it may be relaxed; null when it cannot run here at all. */
  readonly wanted: { readonly setup: Setup; readonly limits: LadderLimits } | null;
  /** `setup`: what to launch it with instead of what is wanted. */
  readonly plan: (port: number, instanceId: string, setup?: Setup) => Plan;
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
  /** Where what was relaxed is kept. */
  readonly ladderFile: string;
  readonly starts: StartHistory;
  /**
   * Calls `done` once when this worker may start with this setup, or with what stands in the way. Releasing the lease ends the wait or
   * the turn.
   */
  readonly clearance: (setup: Setup | null, done: (failure: Failure | null) => void) => Lease;
  /** The turn to start, for a start that is under way already. */
  readonly holdTurn: () => Lease;
  /** After every change of the view. */
  readonly onChange: () => void;
}

/** How long `clearance` waits for memory before it says that there is none. */
const CLEARANCE_PATIENCE_MS = 60_000;

/** The single writer of one worker: feeds the machine with what happens and does what it says. */
export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #world: WorkerWorld;
  readonly #process: EngineProcess;
  readonly #ladder: LadderRecord;
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
  /** When this start has reached which stage, in milliseconds from its launch. */
  #stages = new Map<WorkerStage, number>();

  /** `port` is the worker's, taken from the pool. */
  constructor(spec: WorkerSpec, port: number, world: WorkerWorld) {
    this.spec = spec;
    this.#port = port;
    this.#world = world;
    this.#process = new EngineProcess({
      clock: world.clock,
      worker: spec.id,
      logs: world.logs,
      recordsDirectory: world.recordsDirectory,
      sweepGraceMs: world.policy.sweepGraceMs,
      isMarked: (instanceId) => instanceId.startsWith(spec.instancePrefix),
    });
    const { id: worker, modelId: model, fingerprint, gpuUuids } = spec;
    this.#ladder = new LadderRecord(world.ladderFile, { worker, model, fingerprint, gpuUuids });
    const { footing, version, reset } = this.#ladder.load();
    this.#machine = { ...NEW_MACHINE, footing };
    this.#version = version;
    if (reset) this.#saveFooting({ type: 'save_footing', change: 'reset', step: null, failure: null });
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
      starts: this.#world.starts.of(this.spec.fingerprint),
      startEstimateMs: this.spec.startEstimateMs,
    };
    return toView(this.spec, this.#machine, shell, this.#world.clock.now());
  }

  /** The end of the engine's log. */
  lines(): readonly LogLine[] {
    return this.#process.tail.lines();
  }

  tell(wish: 'start' | 'restart' | 'drain' | 'stop'): void {
    this.#send({ type: wish });
  }

  /** Takes over what an earlier supervisor has left running, as it is. Only before anything else. */
  adopt({ record, models }: Adoptable): void {
    const { clock, log } = this.#world;
    const ago = (iso: string) => clock.now() - Math.max(0, clock.wall() - Date.parse(iso));
    const { incarnation, pid, port, life, stage, version, readySince } = record;
    this.#port = port;
    this.#launch = this.#plan(port, record.instanceId);
    this.#models = models.length > 0 ? models : null;
    this.#version = version ?? this.#version;
    this.#startedAtMs = Date.parse(record.startedAt);
    this.#failedAtMs = record.failedAt === null ? null : Date.parse(record.failedAt);
    this.#machine = { ...this.#machine, history: { ...this.#machine.history, lastFailure: record.lastFailure } };
    this.#probe = this.#newProbe();
    this.#process.adopt(record, this.#listener(incarnation));
    const found = life === 'ready' && readySince ? { kind: 'ready', sinceMs: ago(readySince) } : { kind: 'loading', stage };
    this.#send({ type: 'adopt', foundling: { incarnation, pid, spawnedAtMs: ago(record.startedAt), found } as never });
    log.info('worker.adopted', `${this.spec.id} goes on as it is: process ${pid} was left running.`, {
      worker: this.spec.id,
      pid,
      port,
      state: this.state,
    });
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
    if (machine.life !== before.life) this.#noteChange(before.life);
    for (const effect of effects) this.#perform(effect);
    return effects.some(({ type }) => type === 'publish');
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'await_clearance':
        return this.#awaitClearance(effect.epoch);
      case 'hold_turn':
        this.#turn = this.#world.holdTurn();
        return;
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
      case 'save_footing':
        return this.#saveFooting(effect);
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
    this.#turn = this.#world.clearance(this.#setup(), (failure) => {
      if (!failure) return this.#send({ type: 'vram_free', epoch });
      this.#send({ type: 'vram_busy', epoch, failure, relief: this.#relief(failure, CLEARANCE_PATIENCE_MS) });
    });
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
    const { clock } = this.#world;
    const listener = this.#listener(incarnation);
    if (!(await this.#findPort())) return listener.onSpawnFailed(noPortLeft());
    const instanceId = `${this.spec.instancePrefix}${incarnation}`;
    const plan = this.spec.plan(this.#port, instanceId, this.#setup() ?? undefined);
    if (plan.kind === 'refused') return listener.onSpawnFailed(refused(plan.reason));
    this.#launch = plan.launch;
    this.#models = null;
    this.#stages.clear();
    this.#probe = this.#newProbe();
    this.#startedAtMs = clock.wall();
    const birth = {
      worker: this.spec.id,
      instanceId,
      incarnation,
      port: this.#port,
      model: this.spec.modelId,
      fingerprint: this.spec.fingerprint,
      startedAt: iso(this.#startedAtMs),
      life: 'starting',
      stage: 'process',
      readySince: null,
      served: [],
      version: null,
      lastFailure: this.#machine.history.lastFailure,
      failedAt: this.#failedAtMs === null ? null : iso(this.#failedAtMs),
    } as const;
    await this.#process.start(plan.launch, { ...birth, served: [] }, listener);
  }

  #listener(incarnation: number): EngineListener {
    return {
      onSpawned: (pid) => this.#send({ type: 'spawned', incarnation, pid }),
      onSpawnFailed: (failure) => this.#send({ type: 'spawn_failed', incarnation, failure }),
      onProgress: (progress) => this.#send({ type: 'progress', incarnation, ...progress }),
      onExited: (exit) => {
        const failure = this.#explain(exit);
        this.#send({ type: 'exited', incarnation, failure, relief: this.#relief(failure, this.#busyForMs()) });
      },
    };
  }

  #newProbe(): Probe {
    return new Probe(`http://127.0.0.1:${this.#port}`, this.spec.modelId, this.spec.capabilities);
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
    const { tail } = this.#process;
    const lines = tail.story();
    const livedMs = this.#world.clock.wall() - (this.#startedAtMs ?? this.#world.clock.wall());
    const hostOomKills = this.#process.newOomKills();
    return explain({ exit, phase: this.#phase(tail.phase), lines, livedMs, hostOomKills, ended: life.state === 'stopping' });
  }

  #phase(logged: FailurePhase): FailurePhase {
    const { life } = this.#machine;
    if (life.state === 'starting') return logged;
    if (life.state === 'warming') return 'warmup';
    // A start that is given up did not serve.
    return life.state === 'stopping' ? (this.#machine.history.lastFailure?.phase ?? 'serving') : 'serving';
  }

  #busyForMs(): number {
    const since = this.#machine.history.busySinceMs;
    return since === null ? 0 : this.#world.clock.now() - since;
  }

  /** What the ladder would relax against a failure. */
  #relief(failure: Failure, waitedMs: number): Relaxation | null {
    const { wanted } = this.spec;
    if (!wanted) return null;
    const taken = this.#machine.footing.steps;
    const evidence = { ...failure.evidence, waitedMs };
    return nextStep({ class: failure.class, setup: relax(wanted.setup, taken), limits: wanted.limits, evidence, taken });
  }

  /** What it is launched with now: what is wanted, less what was relaxed. */
  #setup(): Setup | null {
    return this.spec.wanted && relax(this.spec.wanted.setup, this.#machine.footing.steps);
  }

  async #ask(epoch: number, depth: 'serving' | 'pulse' | 'token'): Promise<void> {
    if (depth !== 'serving') {
      const result = await this.#result<unknown>((probe) => (depth === 'pulse' ? probe.pulse() : probe.token()));
      if (result.kind === 'failed') return this.#send({ type: 'probe_failed', epoch, reason: result.reason, miss: result.miss });
      this.#process.forgetOomKills();
      return this.#send({ type: 'probe_ok', epoch, beat: result.value as never });
    }
    const result = await this.#result((probe) => probe.serving());
    if (result.kind === 'failed') return this.#send({ type: 'probe_failed', epoch, reason: result.reason, miss: result.miss });
    if (epoch === this.#machine.epoch) this.#models = result.value;
    this.#send({ type: 'probe_ok', epoch, beat: null });
  }

  async #warmUp(epoch: number): Promise<void> {
    const result = await this.#result((probe) => probe.warmUp(this.#launch?.maxNumSeqs ?? 1));
    if (result.kind === 'failed') return this.#send({ type: 'warm_up_failed', epoch, reason: result.reason });
    const version = (await this.#probe?.version()) ?? null;
    if (version !== null && this.#version !== null && version !== this.#version) this.#send({ type: 'outdated' });
    this.#version = version ?? this.#version;
    this.#send({ type: 'warmed', epoch });
  }

  async #result<T>(ask: (probe: Probe) => Promise<ProbeResult<T>>): Promise<ProbeResult<T>> {
    return this.#probe ? ask(this.#probe) : { kind: 'failed', reason: 'there is no engine to ask', miss: 'refused' };
  }

  #plan(port: number, instanceId: string): LaunchPlan | null {
    const plan = this.spec.plan(port, instanceId, this.#setup() ?? undefined);
    return plan.kind === 'run' ? plan.launch : null;
  }

  #reportFailure(failure: Failure, next: Extract<Effect, { type: 'report_failure' }>['next']): void {
    this.#failedAtMs = this.#world.clock.wall();
    this.#process.note({ lastFailure: failure, failedAt: iso(this.#failedAtMs) });
    if (next !== 'watch') this.#keepLog();
    const fields = { worker: this.spec.id, class: failure.class, phase: failure.phase, advice: failure.advice, next };
    this.#world.log[next === 'watch' || next === 'relax' ? 'warn' : 'error']('worker.failure', failure.message, fields);
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

  #saveFooting({ change, step: taken, failure }: Extract<Effect, { type: 'save_footing' }>): void {
    const { clock, log } = this.#world;
    const worker = this.spec.id;
    const { footing } = this.#machine;
    const { measured } = this.#process.tail;
    try {
      this.#ladder.append({ atMs: clock.wall(), change, step: taken, failure, measured, version: this.#version, footing });
    } catch (error) {
      log.warn('worker.degraded', `What was relaxed could not be written down: ${(error as Error).message}.`, { worker });
    }
    if (change === 'reset')
      return log.info('worker.degraded', `${worker} starts with its profile again: what it was relaxed for has changed.`, { worker });
    if (change === null || !taken) return;
    const { setting, from, to, reason, class: name } = taken;
    const fields = { worker, setting, from, to, class: name, steps: footing.steps.length };
    if (change === 'restored') return log.info('worker.degraded', `${worker} tries ${setting} ${from} again instead of ${to}.`, fields);
    log.warn('worker.degraded', `${worker} starts with ${setting} ${to} instead of ${from}: ${reason}.`, {
      ...fields,
      advice: failure?.advice ?? null,
    });
  }

  #noteChange(from: Machine['life']): void {
    const { life, incarnation } = this.#machine;
    if (life.state === 'starting' && life.step === 'loading' && from.state === 'starting' && from.step === 'loading') {
      if (life.stage !== from.stage) this.#noteStage(life.stage);
      return;
    }
    if (life.state === from.state) return;
    if (life.state === 'ready' && from.state === 'warming') this.#noteReady();
    if (life.state === 'stopping' || (life.state === 'draining' && life.step === 'told')) this.#process.note({ life: 'ending' });
    this.#world.log.info('worker.state', `${this.spec.id} is ${life.state}.`, {
      worker: this.spec.id,
      model: this.spec.modelId,
      state: life.state,
      from: from.state,
      start: incarnation,
      port: this.#port,
      pid: 'process' in life ? (life.process?.pid ?? null) : null,
    });
  }

  #noteStage(stage: WorkerStage): void {
    this.#stages.set(stage, this.#sinceLaunchMs());
    this.#process.note({ stage });
  }

  #noteReady(): void {
    const [modelLoadedMs, graphsMs] = [this.#stages.get('model_loaded') ?? null, this.#stages.get('cuda_graphs') ?? null];
    this.#world.starts.add(this.spec.fingerprint, { modelLoadedMs, graphsMs, totalMs: this.#sinceLaunchMs() });
    const readySince = iso(this.#world.clock.wall());
    this.#process.note({ life: 'ready', stage: 'ready', readySince, served: [...(this.#models ?? [])], version: this.#version });
  }

  #sinceLaunchMs(): number {
    const { clock } = this.#world;
    return Math.max(0, clock.wall() - (this.#startedAtMs ?? clock.wall()));
  }
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
