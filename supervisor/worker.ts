import type { Timer } from '../gateway/core/clock.ts';
import type { Lease } from '../gateway/core/lease.ts';
import type { ServedModel, WorkerView } from '../gateway/core/worker.ts';
import type { Adoptable } from './adoption.ts';
import type { EngineListener } from './engine-process.ts';
import { EngineProcess } from './engine-process.ts';
import type { Failure } from './failure.ts';
import { explain } from './failure-explain.ts';
import type { Exit, FailurePhase } from './failure-table.ts';
import { noPortLeft, refused, spawnFailed } from './failure.ts';
import type { Setup } from './ladder.ts';
import type { LaunchPlan } from './launch.ts';
import type { Beat, Effect, Event, Foundling, Life, Machine, TimerName } from './life.ts';
import { NEW_MACHINE } from './life.ts';
import type { LogLine } from './log-lines.ts';
import { step } from './machine.ts';
import type { ProbeResult } from './probe.ts';
import { Probe } from './probe.ts';
import { WorkerLadder } from './worker-ladder.ts';
import { WorkerReport } from './worker-report.ts';
import type { WorkerSpec, WorkerWorld } from './worker-spec.ts';
import { estimateStart } from './start-estimate.ts';
import type { WorkerShell } from './worker-view.ts';
import { startEstimate, toView } from './worker-view.ts';
import type { WorkerUse } from './worker-use.ts';
import { newlyUsed, seenUse } from './worker-use.ts';

/** The single writer of one worker: feeds the machine with what happens and does what it says. */
export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #world: WorkerWorld;
  readonly #process: EngineProcess;
  readonly #ladder: WorkerLadder;
  readonly #report: WorkerReport;
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
  #use: WorkerUse = newlyUsed(-Infinity);
  /** How often its model was loaded because somebody wanted it; any other start is a restart. */
  #loads = 1;
  #version: string | null = null;

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
    this.#ladder = new WorkerLadder(spec, world.ladderFile, world.clock, world.log);
    this.#report = new WorkerReport(spec, world, this.#process);
    const { footing, version } = this.#ladder.load();
    this.#machine = { ...NEW_MACHINE, footing };
    this.#version = version;
  }

  get state(): WorkerView['state'] {
    return this.#machine.life.state;
  }

  get life(): Life {
    return this.#machine.life;
  }

  get port(): number {
    return this.#port;
  }

  /** When its model last had work. */
  get use(): WorkerUse {
    return this.#use;
  }

  /** What is left of its start; null when it is not starting. Milliseconds. */
  get startLeftMs(): number | null {
    return startEstimate(this.#machine.life, this.#shell(), this.#world.clock.now())?.leftMs ?? null;
  }

  /** How long its next start will take, from those before. Milliseconds. */
  get startMs(): number {
    return estimateStart(this.#shell().starts, this.spec.startEstimateMs, { stage: null, inStageMs: 0, loaded: 0 }).leftMs;
  }

  /** The engine's own version, once it has been ready. */
  get version(): string | null {
    return this.#version;
  }

  view(): WorkerView {
    return toView(this.spec, this.#machine, this.#shell(), this.#world.clock.now());
  }

  #shell(): WorkerShell {
    const plan = this.#launch ?? this.#plan(this.#port, '');
    return {
      port: this.#port,
      models: this.#models ?? [{ id: this.spec.modelId, root: this.spec.source, parent: null, maxModelLen: plan?.maxModelLen ?? null }],
      maxNumSeqs: plan?.maxNumSeqs ?? 1,
      args: plan?.args ?? [],
      startedAtMs: this.#report.startedAtMs,
      failedAtMs: this.#report.failedAtMs,
      starts: this.#world.starts.of(this.spec.fingerprint),
      startEstimateMs: this.spec.startEstimateMs,
      loads: this.#loads,
    };
  }

  /** The end of the engine's log. */
  lines(): readonly LogLine[] {
    return this.#process.tail.lines();
  }

  tell(wish: 'start' | 'restart' | 'drain' | 'stop'): void {
    this.#send({ type: wish });
  }

  /** Starts it on this port, which is the caller's. Only at rest. */
  load(port: number): void {
    if (this.#machine.incarnation > 0) this.#loads += 1;
    this.#port = port;
    this.tell('start');
  }

  /** Looks whether its model has work; `use` knows afterwards. */
  async look(): Promise<void> {
    const { epoch } = this.#machine;
    if (this.state !== 'ready') return;
    const result = await this.#look('pulse');
    if (result.kind === 'ok' && epoch === this.#machine.epoch) this.#use = seenUse(this.#use, result.value.beat, this.#world.clock.now());
  }

  /** Takes over what an earlier supervisor has left running, as it is. Only before anything else. */
  adopt({ record, models }: Adoptable): void {
    const { clock } = this.#world;
    const ago = (iso: string) => clock.now() - Math.max(0, clock.wall() - Date.parse(iso));
    const { incarnation, pid, port, life, stage, version, readySince } = record;
    this.#port = port;
    this.#launch = this.#plan(port, record.instanceId);
    this.#models = models.length > 0 ? models : null;
    this.#version = version ?? this.#version;
    this.#report.adopted(record);
    this.#machine = { ...this.#machine, history: { ...this.#machine.history, lastFailure: record.lastFailure } };
    this.#probe = this.#newProbe();
    this.#process.adopt(record, this.#listener(incarnation));
    const found: Foundling['found'] =
      life === 'ready' && readySince ? { kind: 'ready', sinceMs: ago(readySince) } : { kind: 'loading', stage };
    this.#send({ type: 'adopt', foundling: { incarnation, pid, spawnedAtMs: ago(record.startedAt), found } });
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
    if (machine.life !== before.life) {
      this.#report.changed(before.life, machine, { port: this.#port, models: this.#models, version: this.#version });
      if (machine.life.state === 'ready' && !('sinceMs' in before.life)) this.#use = newlyUsed(clock.now());
    }
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
        return this.#report.failed(effect.failure, effect.next);
      case 'save_footing':
        return this.#ladder.save(effect, this.#machine.footing, this.#version, this.#process.tail.measured);
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
      this.#send({ type: 'vram_busy', epoch, failure, relief: this.#ladder.relief(failure, this.#machine.footing, true) });
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
    const listener = this.#listener(incarnation);
    if (!(await this.#findPort())) return listener.onSpawnFailed(noPortLeft());
    const instanceId = `${this.spec.instancePrefix}${incarnation}`;
    const plan = this.spec.plan(this.#port, instanceId, this.#setup() ?? undefined);
    if (plan.kind === 'refused') return listener.onSpawnFailed(refused(plan.reason));
    this.#launch = plan.launch;
    this.#models = null;
    this.#probe = this.#newProbe();
    const birth = {
      worker: this.spec.id,
      instanceId,
      incarnation,
      port: this.#port,
      model: this.spec.modelId,
      fingerprint: this.spec.fingerprint,
      startedAt: this.#report.launched(),
      life: 'starting',
      stage: 'process',
      readySince: null,
      served: [],
      version: null,
      lastFailure: this.#machine.history.lastFailure,
      failedAt: this.#report.failedAt,
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
        this.#send({
          type: 'exited',
          incarnation,
          failure,
          relief: this.#ladder.relief(failure, this.#machine.footing, this.#isPatienceOver()),
        });
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
    const { livedMs } = this.#report;
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

  #isPatienceOver(): boolean {
    const since = this.#machine.history.busySinceMs;
    return since !== null && this.#world.clock.now() - since >= this.#world.policy.vramPatienceMs;
  }

  #setup(): Setup | null {
    return this.#ladder.setup(this.#machine.footing);
  }

  async #ask(epoch: number, depth: Extract<Effect, { type: 'probe' }>['depth']): Promise<void> {
    const result = await this.#look(depth);
    if (result.kind === 'failed') return this.#send({ type: 'probe_failed', epoch, reason: result.reason, miss: result.miss });
    const { models, beat } = result.value;
    if (models && epoch === this.#machine.epoch) this.#models = models;
    this.#process.forgetOomKills();
    if (depth === 'pulse') this.#use = seenUse(this.#use, beat, this.#world.clock.now());
    else if (depth === 'token') this.#use = { ...this.#use, asked: true };
    this.#send({ type: 'probe_ok', epoch, beat });
  }

  async #look(depth: Extract<Effect, { type: 'probe' }>['depth']): Promise<ProbeResult<Look>> {
    switch (depth) {
      case 'serving':
        return mapped(await this.#result((probe) => probe.serving()), (models) => ({ models, beat: null }));
      case 'pulse':
        return mapped(await this.#result((probe) => probe.pulse()), (beat) => ({ models: null, beat }));
      case 'token':
        return mapped(await this.#result((probe) => probe.token()), () => ({ models: null, beat: null }));
    }
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
}

/** What one look at an engine has shown. */
interface Look {
  readonly models: readonly ServedModel[] | null;
  readonly beat: Beat | null;
}

function mapped<T, R>(result: ProbeResult<T>, map: (value: T) => R): ProbeResult<R> {
  return result.kind === 'ok' ? { kind: 'ok', value: map(result.value) } : result;
}
