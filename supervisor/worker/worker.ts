import type { Lease } from '../../gateway/core/lease.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import type { Adoptable } from './adoption.ts';
import { toFoundling } from './adoption.ts';
import type { EngineListener } from '../engine/process.ts';
import { EngineProcess } from '../engine/process.ts';
import type { Failure } from '../failure/failure.ts';
import { explain } from '../failure/explain.ts';
import type { Exit } from '../failure/row.ts';
import { notPrepared } from '../failure/failure.ts';
import type { Setup } from '../ladder/step.ts';
import type { Effect, Event, Life, Machine, TimerName } from '../machine/life.ts';
import { NEW_MACHINE, phaseOf } from '../machine/life.ts';
import { step } from '../machine/machine.ts';
import { NamedTimers } from '../system/named-timers.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';
import { WorkerQuestions } from './questions.ts';
import { WorkerLadder } from './ladder.ts';
import { WorkerLaunches } from './launches.ts';
import { WorkerReport } from './report.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';
import type { WorkerWorld } from './world.ts';
import { wakeKey } from '../plan/worker-spec.ts';
import type { WorkerShell } from './view.ts';
import { startEstimate, toView, wholeStart } from './view.ts';
import type { WorkerUse } from './use.ts';

/** The single writer of one worker: feeds the machine with what happens and does what it says. */
export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #world: WorkerWorld;
  readonly #process: EngineProcess;
  readonly #ladder: WorkerLadder;
  readonly #report: WorkerReport;
  readonly #questions: WorkerQuestions;
  readonly #timers: NamedTimers<TimerName>;
  readonly #launches: WorkerLaunches;
  readonly #events: Event[] = [];
  #machine: Machine = NEW_MACHINE;
  #working = false;
  #isLeft = false;
  #turn: Lease | null = null;

  /** `port` is the worker's, taken from the pool. */
  constructor(spec: WorkerSpec, port: number, world: WorkerWorld) {
    this.spec = spec;
    this.#world = world;
    this.#launches = new WorkerLaunches(spec, port, world.ports);
    this.#timers = new NamedTimers(world.clock);
    this.#process = new EngineProcess({
      onUnwritten: (reason) => this.#report.unwritten(reason),
      clock: world.clock,
      worker: spec.id,
      model: spec.modelId,
      logs: world.logs,
      recordsDirectory: world.recordsDirectory,
      scratchOf: world.scratchOf,
      sweepGraceMs: world.policy.sweepGraceMs,
      isMarked: (instanceId) => instanceId.startsWith(spec.instancePrefix),
    });
    this.#ladder = new WorkerLadder(spec, world.ladderFile, world.clock, world.log);
    this.#report = new WorkerReport(spec, world, this.#process);
    const { footing, version } = this.#ladder.load();
    this.#machine = { ...NEW_MACHINE, footing };
    this.#questions = new WorkerQuestions(spec, world, version, {
      send: (event) => this.#send(event),
      epoch: () => this.#machine.epoch,
      cpuUse: () => this.#process.cpuUse(),
      onWell: () => this.#process.forgetOomKills(),
    });
  }

  get state(): Life['state'] {
    return this.#machine.life.state;
  }

  get life(): Life {
    return this.#machine.life;
  }
  get port(): number {
    return this.#launches.port;
  }

  /** When its model last had work. */
  get use(): WorkerUse {
    return this.#questions.use;
  }

  /** What is left of its start; null when it is not starting. Milliseconds. */
  get startLeftMs(): number | null {
    return startEstimate(this.#machine.life, this.#shell(), this.#world.clock.now())?.leftMs ?? null;
  }

  /** How long its next start will take, or its waking, from those before. Milliseconds. */
  get startMs(): number {
    return wholeStart(this.#shell(), this.state === 'asleep').leftMs;
  }

  /** The engine's own version, once it has been ready. */
  get version(): string | null {
    return this.#questions.version;
  }

  view(): WorkerView {
    return toView(this.spec, this.#machine, this.#shell(), this.#world.clock.now());
  }

  #shell(): WorkerShell {
    const plan = this.#launches.plan(this.#setup());
    return {
      port: this.port,
      models: this.#questions.models ?? [
        { id: this.spec.modelId, root: this.spec.source, parent: null, maxModelLen: plan?.maxModelLen ?? null },
      ],
      maxNumSeqs: plan?.maxNumSeqs ?? 1,
      scheduling: plan?.scheduling ?? 'fcfs',
      args: plan?.args ?? [],
      logFile: this.#process.logFile,
      startedAtMs: this.#report.startedAtMs,
      failedAtMs: this.#report.failedAtMs,
      starts: this.#world.starts.of(this.spec.fingerprint),
      startEstimateMs: this.spec.startEstimateMs,
      wakes: this.#world.starts.of(wakeKey(this.spec)),
      wakeEstimateMs: this.spec.wakeEstimateMs,
      ...{ loads: this.#launches.loads, heldUpMs: this.#world.heldUpMs() },
    };
  }

  /** What was relaxed is taken back with the next start. */
  resetLadder(): void {
    this.#send({ type: 'outdated' });
  }

  tell(wish: 'start' | 'restart' | 'drain' | 'stop' | 'sleep'): void {
    this.#send({ type: wish });
  }

  /** Wakes it, or starts it on this port, which is the caller's. Only at rest or asleep. */
  load(port: number): void {
    if (this.state === 'asleep') return this.tell('start');
    this.#launches.load(port, this.#machine.incarnation > 0);
    this.tell('start');
  }

  /** Looks whether its model has work; `use` knows afterwards. */
  async look(): Promise<void> {
    if (this.state === 'ready') await this.#questions.lookAtUse();
  }

  /** Takes over what an earlier supervisor has left running, as it is. Only before anything else. */
  adopt({ record, models }: Adoptable): void {
    const { clock } = this.#world;
    const ago = (iso: string) => clock.now() - Math.max(0, clock.wall() - Date.parse(iso));
    const { incarnation, port, version, sleepLevel } = record;
    this.#launches.adopt(record, this.#setup());
    this.#report.adopted(record);
    this.#machine = { ...this.#machine, history: { ...this.#machine.history, lastFailure: record.lastFailure } };
    this.#questions.askAt(port, { models, version, level: sleepLevel });
    this.#process.adopt(record, this.#listener(incarnation));
    this.#send({ type: 'adopt', foundling: toFoundling(record, ago) });
  }

  /** Lets go of the engine, which goes on: nothing that happens to it is heard or answered any more. What runs is on record. */
  leave(): void {
    this.#isLeft = true;
    this.#timers.cancelAll();
    this.#process.leave();
  }

  /** Ends the engine's whole process group at once; for a supervisor that has no time left. */
  killNow(): void {
    this.#process.killNow();
  }

  /** One event at a time, in the order of their coming: effects may cause events, but never in the middle of a step. */
  #send(event: Event): void {
    if (this.#isLeft) return;
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
    const rules = { policy, wanted: this.spec.wanted };
    const { machine, effects } = step(rules, before, event, { nowMs: clock.now(), chance: random.next() });
    this.#machine = machine;
    if (machine.life !== before.life) {
      this.#report.changed(before.life, machine, { port: this.port, ...this.#known() });
      if (machine.life.state === 'ready' && !('sinceMs' in before.life)) this.#questions.newlyReady(before.life.state === 'idle');
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
        return void this.#questions.ask(effect.epoch, effect);
      case 'warm_up':
        return void this.#questions.warmUp(effect.epoch, this.#launches.maxNumSeqs, effect.brief);
      case 'sleep':
        return void this.#questions.sleep(effect.epoch, this.#process.tail.measured.weightsGib ?? this.spec.weightsGib);
      case 'wake':
        this.#report.waking();
        return void this.#questions.wake(effect.epoch);
      case 'terminate_leader':
        return this.#process.terminateLeader(effect.pid);
      case 'terminate_group':
        this.#report.overdue('It and all that it has started are told again.');
        return this.#process.terminateGroup(effect.pid);
      case 'kill_group':
        if (effect.overdue) this.#report.overdue('It and all that it has started are killed.');
        return this.#process.killGroup(effect.pid);
      case 'sweep':
        return void this.#process.sweep().then((survivors) => this.#send({ type: 'swept', epoch: effect.epoch, survivors }));
      case 'set_timer': {
        const { timer, epoch, afterMs } = effect;
        return this.#timers.set(timer, afterMs, () => this.#send({ type: 'timer', epoch, timer }));
      }
      case 'cancel_timers':
        return this.#timers.cancelAll();
      case 'take_next_port':
        return this.#launches.avoidPort();
      case 'report_failure':
        return this.#report.failed(effect.failure, effect.next);
      case 'save_footing':
        return this.#ladder.save(effect, this.#machine.footing, this.#questions.version, this.#process.tail.measured);
      case 'publish':
        return;
    }
  }

  #awaitClearance(epoch: number): void {
    const { life } = this.#machine;
    const isSleeper = life.state === 'starting' && life.step === 'clearing' && life.sleeper !== null;
    this.#turn = this.#world.clearance(this.#setup(), isSleeper, (failure) => {
      this.#send(failure ? { type: 'vram_busy', epoch, failure } : { type: 'vram_free', epoch });
    });
  }

  async #spawn(incarnation: number): Promise<void> {
    try {
      await this.#launchEngine(incarnation);
    } catch (error) {
      // A full disk or a folder that cannot be written: nothing of the engine was started yet.
      this.#send({ type: 'spawn_failed', incarnation, failure: notPrepared((error as Error).message) });
    }
  }

  async #launchEngine(incarnation: number): Promise<void> {
    const listener = this.#listener(incarnation);
    const prepared = await this.#launches.prepare(incarnation, this.#setup());
    if (this.#isLeft) return;
    if (prepared.kind === 'refused') return listener.onSpawnFailed(prepared.failure);
    this.#questions.askAt(this.port);
    const past = { lastFailure: this.#machine.history.lastFailure, failedAt: this.#report.failedAt };
    await this.#process.start(prepared.plan, { ...prepared.birth, ...past, startedAt: this.#report.launched() }, listener);
  }

  #listener(incarnation: number): EngineListener {
    return {
      onSpawned: (pid) => this.#send({ type: 'spawned', incarnation, pid }),
      onSpawnFailed: (failure) => this.#send({ type: 'spawn_failed', incarnation, failure }),
      onProgress: (progress) => this.#send({ type: 'progress', incarnation, ...progress }),
      onExited: (exit) => this.#send({ type: 'exited', incarnation, failure: this.#explain(exit) }),
    };
  }

  #known(): { models: WorkerQuestions['models']; version: string | null; sleepLevel: SleepLevel } {
    const { models, version, level } = this.#questions;
    return { models, version, sleepLevel: level };
  }

  #explain(exit: Exit): Failure {
    const phase = phaseOf(this.#machine, this.#process.tail.phase);
    const ended = this.state === 'stopping';
    return explain({ ...this.#process.ending(exit), phase, livedMs: this.#report.livedMs, ended });
  }

  #setup(): Setup | null {
    return this.#ladder.setup(this.#machine.footing);
  }
}
