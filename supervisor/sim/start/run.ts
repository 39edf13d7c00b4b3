import { buildSim } from './build-sim.ts';
import type { Card } from '../card/card.ts';
import { EngineProcess } from './engine-process.ts';
import type { Engine } from '../engine/engine.ts';
import { FrontDoor } from './front-door.ts';
import type { Environment, StartPhase } from '../settings/knobs.ts';
import { Log } from '../settings/log.ts';
import type { Machine } from './machine.ts';
import type { MemoryPlan } from '../card/memory.ts';
import { addressIsFree } from './address-is-free.ts';
import { heal, strikeFromStart } from '../engine/server-faults.ts';
import type { FaultTarget } from '../engine/server-faults.ts';
import type { SimSettings } from '../settings/settings.ts';
import { sayEngineGone, sayEngineStopped, sayEngineStopping, sayStopped, sayStopping, sayWorkerDied } from './last-words.ts';
import { engineKilledInStart, printStartFailure, StartFailure } from './start-failure.ts';
import { announce, startEngine } from './startup.ts';
import type { Sim } from '../engine/sim.ts';
import { logThroughput } from '../engine/throughput-line.ts';
import type { ThroughputMark } from '../engine/throughput-line.ts';

/** A front end refuses connections within 0.7 s of its engine's death, and says 503 before that. */
const DEATH_MS = 700;
/** How often a front end that starts looks whether its engine core is there (seen of 0.32.0: 10 s). */
const START_LOOK_MS = 10_000;
/** However fast time goes: who watches the processes is to see which of them went first. */
const LEAST_DEATH_MS = 600;
/** How soon the process ends once a request was answered with the engine's death. */
const RAISED_MS = 150;
/** Long enough to tell a killed engine from a signal that reached the whole process group. */
const GROUP_SIGNAL_MS = 150;

class StartCancelled extends Error {}

/** One simulated server, from its first line to its exit status. */
export class Run {
  readonly #settings: SimSettings;
  readonly #machine: Machine;
  readonly #env: Environment;
  readonly #log = new Log();
  readonly #exit = Promise.withResolvers<number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #engineProcess = new EngineProcess();
  #card: Card | null = null;
  #door: FrontDoor | null = null;
  #engine: Engine | null = null;
  #faultTarget: FaultTarget | null = null;
  #state: 'starting' | 'ready' | 'dead' | 'stopping' = 'starting';
  #cancelStart: ((why: Error) => void) | null = null;
  #calledOff: Error | null = null;
  #ignoreSigterm = false;
  #sim: Sim | null = null;
  #hurry: (() => void) | null = null;

  constructor(settings: SimSettings, machine: Machine, env: Environment) {
    this.#settings = settings;
    this.#machine = machine;
    this.#env = env;
    this.#ignoreSigterm = settings.fault === 'ignore-sigterm';
  }

  /** Serves until something ends it. Resolves to the exit status. */
  async run(): Promise<number> {
    const onSignal = (signal: NodeJS.Signals): void => this.#onSignal(signal);
    const onHeal = (): void => {
      if (this.#faultTarget !== null) heal(this.#faultTarget);
    };
    const ignoreBrokenPipe = (): void => undefined;
    // A supervisor that went away takes the other end of our output with it; the server goes on.
    process.stdout.on('error', ignoreBrokenPipe);
    process.stderr.on('error', ignoreBrokenPipe);
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    // The way back for a server that accepts no connection any more.
    process.on('SIGUSR2', onHeal);
    try {
      announce(this.#settings, this.#log);
      if (!(await addressIsFree(this.#settings))) return this.#portInUse();
      await this.#serve(await this.#start());
      return await this.#exit.promise;
    } catch (error) {
      return this.#startFailed(error);
    } finally {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
      process.off('SIGUSR2', onHeal);
      for (const timer of this.#timers) clearTimeout(timer);
      await this.#engineProcess.end();
      await this.#card?.noteEnd();
      this.#log.flush();
    }
  }

  #later(ms: number, fn: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      fn();
    }, ms);
    this.#timers.add(timer);
  }

  /** From now on the memory of an engine core that has ended is on its way back. */
  #noteEnd(): void {
    this.#card?.noteEnd().catch((error: unknown) => this.#log.stderr('APIServer', String(error)));
  }

  #portInUse(): number {
    this.#log.stderr(
      'APIServer',
      'Traceback (most recent call last):\n  File "vllm/entrypoints/openai/api_server.py", in create_server_socket\n    sock.bind(addr)\nOSError: [Errno 98] Address already in use',
    );
    return 1;
  }

  #start(): Promise<MemoryPlan> {
    return startEngine({
      settings: this.#settings,
      log: this.#log,
      cardCount: this.#machine.cardCount,
      spawnEngine: () => this.#spawnEngine(),
      killEngine: () => this.#engineProcess.kill(),
      pause: (share, phase) => this.#pause(share * this.#settings.startMs, phase),
    });
  }

  #pause(ms: number, phase: StartPhase): Promise<void> {
    if (this.#calledOff !== null) return Promise.reject(this.#calledOff);
    const stalled = this.#settings.stallAt === phase;
    return new Promise((resolve, reject) => {
      this.#cancelStart = reject;
      // A start that stands still lives on, and that is all.
      this.#later(stalled ? 2 ** 31 - 1 : ms, resolve);
    });
  }

  async #spawnEngine(): Promise<Card> {
    const pid = await this.#engineProcess.spawn(this.#env, this.#settings.memory.gpuCount, {
      // A SIGTERM for the whole group may reach the child before it reaches us.
      onExit: (told) => (told ? this.#later(GROUP_SIGNAL_MS, () => this.#onEngineDeath()) : this.#onEngineDeath()),
      onWorkerDied: (rank, status) => this.#onWorkerDied(rank, status),
      onToldToStop: () => this.#later(GROUP_SIGNAL_MS, () => void this.#drainEngine()),
    });
    this.#log.enginePid = pid;
    this.#card = this.#machine.open(pid, this.#settings.memory.gpuCount, this.#settings.vramReleaseMs);
    return this.#card;
  }

  async #serve(plan: MemoryPlan): Promise<void> {
    const { sim, target } = buildSim(plan, {
      settings: this.#settings,
      log: this.#log,
      card: this.#card!,
      killEngineProcess: () => this.#engineProcess.kill(),
      ignoreSigterm: (ignore) => {
        this.#ignoreSigterm = ignore;
      },
      accept: (accepting) => {
        if (!accepting || this.#state === 'ready') this.#door?.accept(accepting);
      },
      later: (ms, fn) => this.#later(ms, fn),
      onDeathRaised: () => this.#later(RAISED_MS, () => void this.#endDead()),
    });
    this.#engine = sim.engine;
    this.#sim = sim;
    this.#faultTarget = target;
    this.#door = new FrontDoor(sim);
    // A server that serves has an engine core that can be told to stop.
    await this.#engineProcess.isUp;
    if (this.#calledOff !== null) throw this.#calledOff;
    await this.#door.open();
    if (this.#calledOff !== null) throw this.#calledOff;
    this.#state = 'ready';
    this.#log.uvicorn('Application startup complete.');
    this.#logThroughput({ promptTokens: 0, generationTokens: 0 });
    strikeFromStart(target);
    if (this.#settings.logMib > 0) this.#engineProcess.talk();
  }

  #logThroughput(before: ThroughputMark): void {
    const { statsIntervalS } = this.#settings;
    if (statsIntervalS === 0) return;
    this.#later(statsIntervalS * 1000, () => this.#logThroughput(logThroughput(this.#engine!, this.#log, before, statsIntervalS)));
  }

  #startFailed(error: unknown): number {
    this.#log.flush();
    this.#state = 'stopping';
    if (error instanceof StartCancelled) {
      this.#log.stderr('APIServer', 'Traceback (most recent call last):\nKeyboardInterrupt: terminated');
      return 130;
    }
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return this.#portInUse();
    if (!(error instanceof StartFailure)) throw error;
    printStartFailure(this.#log, error);
    return error.exitCode;
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (signal === 'SIGTERM' && this.#ignoreSigterm) return;
    if (this.#state === 'starting') this.#callOff(new StartCancelled());
    // A second signal does not wait for anybody.
    else if (this.#state === 'stopping') this.#hurry?.();
    else void this.#stop();
  }

  #callOff(why: Error): void {
    this.#state = 'stopping';
    this.#calledOff = why;
    this.#cancelStart?.(why);
  }

  async #stop(): Promise<void> {
    const dead = this.#state === 'dead';
    this.#state = 'stopping';
    const { shutdownTimeoutS, stopMs, silentStop } = this.#settings;
    this.#sim!.stopping = true;
    sayStopping(this.#log, shutdownTimeoutS);
    if (!dead) await this.#finishCalls();
    const left = this.#engine!.load.unfinished > 0;
    if (!silentStop) this.#engine!.abortAll();
    await this.#unlessHurried(new Promise((resolve) => this.#later(stopMs, resolve)));
    sayStopped(this.#log);
    // As two times of three in 0.32.0: the port is closed, and who waits for an answer waits on.
    await this.#door!.close(silentStop && left);
    this.#exit.resolve(0);
  }

  /** The engine core's part of a stop: what is in flight may end within the timeout that the server was given, and nothing is let in. */
  async #finishCalls(): Promise<void> {
    const { shutdownTimeoutS } = this.#settings;
    const engine = this.#engine!;
    sayEngineStopping(this.#log, shutdownTimeoutS, engine.load.unfinished);
    const ended = engine.drain();
    const timeout = new Promise<void>((resolve) => this.#later(shutdownTimeoutS * 1000, resolve));
    if (shutdownTimeoutS > 0) await this.#unlessHurried(Promise.race([ended, timeout]));
    sayEngineStopped(this.#log);
  }

  async #unlessHurried(wait: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hurry = resolve;
    await Promise.race([wait, promise]);
    this.#hurry = null;
  }

  /** The engine core alone was told to stop: it drains, turns away what comes, and ends; its front end takes that for a death. */
  async #drainEngine(): Promise<void> {
    if (this.#state === 'stopping' || this.#state === 'dead') return;
    if (this.#state === 'ready') {
      await this.#finishCalls();
      this.#engine!.abortAll();
    }
    await this.#engineProcess.end();
  }

  /** The front end's end after the engine's: the exit status is 0, which is what vLLM does too. */
  async #endDead(): Promise<void> {
    if (this.#state !== 'dead' || this.#settings.keepAliveOnEngineDeath) return;
    this.#state = 'stopping';
    await this.#door!.close();
    this.#exit.resolve(0);
  }

  /** An engine core that has lost a worker says so, at length, and ends. */
  #onWorkerDied(rank: number, status: number): void {
    if (this.#state === 'stopping' || this.#state === 'dead') return;
    sayWorkerDied(this.#log, this.#settings.model, rank, status);
    if (this.#engine !== null) this.#engine.hung = true;
    void this.#engineProcess.end();
  }

  #onEngineDeath(): void {
    if (this.#state === 'stopping' || this.#state === 'dead' || this.#settings.fault === 'host-oom') return;
    this.#noteEnd();
    if (this.#state === 'starting') {
      // Nobody tells the front end: it looks by itself, every ten seconds.
      const wait = Math.max(LEAST_DEATH_MS, START_LOOK_MS * Math.min(1, this.#settings.speed));
      return this.#later(wait, () => this.#callOff(engineKilledInStart()));
    }
    this.#state = 'dead';
    sayEngineGone(this.#log);
    this.#engine?.die();
    this.#later(Math.max(LEAST_DEATH_MS, DEATH_MS * Math.min(1, this.#settings.speed)), () => void this.#endDead());
  }
}
