import type { Server } from 'node:http';
import { EngineProcess } from './engine-process.ts';
import { Engine } from './engine.ts';
import { isStartFault, RequestFaults } from './faults.ts';
import { createFrontEnd } from './http/server.ts';
import { Log } from './log.ts';
import type { MemoryPlan } from './memory.ts';
import { addressIsFree } from './port-probe.ts';
import { heal, strike, strikeFromStart } from './server-faults.ts';
import type { FaultTarget } from './server-faults.ts';
import type { Environment, SimSettings } from './settings.ts';
import type { Sim } from './sim.ts';
import { StartFailure } from './start-failure.ts';
import { announce, startEngine } from './startup.ts';
import { stepCost } from './step-time.ts';
import { logThroughput } from './throughput-line.ts';
import type { ThroughputMark } from './throughput-line.ts';

/** How often vLLM's front end looks whether its engine is alive when no request tells it. */
const WATCHDOG_MS = 5000;
/** How soon the process ends once a request was answered with the engine's death. */
const RAISED_MS = 150;
/** Long enough to tell a killed engine from a signal that reached the whole process group. */
const GROUP_SIGNAL_MS = 150;
/** Connections that are still open this long after the last answer are cut. */
const CLOSE_MS = 500;

class StartCancelled extends Error {}

/** One simulated server, from its first line to its exit status. */
export class Run {
  readonly #settings: SimSettings;
  readonly #env: Environment;
  readonly #log = new Log();
  readonly #exit = Promise.withResolvers<number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #engineProcess = new EngineProcess();
  #server: Server | null = null;
  #engine: Engine | null = null;
  #faultTarget: FaultTarget | null = null;
  #state: 'starting' | 'ready' | 'dead' | 'stopping' = 'starting';
  #cancelStart: (() => void) | null = null;
  #ignoreSigterm = false;
  #crashing = false;

  constructor(settings: SimSettings, env: Environment) {
    this.#settings = settings;
    this.#env = env;
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
      const plan = await this.#start();
      await this.#serve(plan);
      return await this.#exit.promise;
    } catch (error) {
      return this.#startFailed(error);
    } finally {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
      process.off('SIGUSR2', onHeal);
      for (const timer of this.#timers) clearTimeout(timer);
      await this.#engineProcess.end();
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

  #portInUse(): number {
    this.#log.stderr(
      'APIServer',
      'Traceback (most recent call last):\n  File "vllm/entrypoints/openai/api_server.py", in create_server_socket\n    sock.bind(addr)\nOSError: [Errno 98] Address already in use',
    );
    return 1;
  }

  async #start(): Promise<MemoryPlan> {
    const { fault } = this.#settings;
    if (fault === 'ignore-sigterm') this.#ignoreSigterm = true;
    return startEngine({
      settings: this.#settings,
      log: this.#log,
      fault: fault !== null && (isStartFault(fault) || fault === 'host-oom') ? fault : null,
      allowLongContext: this.#env['VLLM_ALLOW_LONG_MAX_MODEL_LEN'] === '1',
      spawnEngine: () => this.#spawnEngine(),
      killEngine: () => this.#engineProcess.kill(),
      pause: (share) => this.#pause(share * this.#settings.startMs),
    });
  }

  #pause(ms: number): Promise<void> {
    if (this.#state === 'stopping') return Promise.reject(new StartCancelled());
    return new Promise((resolve, reject) => {
      this.#cancelStart = () => reject(new StartCancelled());
      this.#later(ms, resolve);
    });
  }

  async #spawnEngine(): Promise<void> {
    await this.#engineProcess.spawn(this.#env, (quietly) => this.#onEngineExit(quietly));
    this.#log.enginePid = this.#engineProcess.pid ?? process.pid;
  }

  async #serve(plan: MemoryPlan): Promise<void> {
    const settings = this.#settings;
    const { memory } = settings;
    const engine = new Engine({
      maxNumSeqs: memory.maxNumSeqs,
      maxNumBatchedTokens: memory.maxNumBatchedTokens,
      numBlocks: plan.numGpuBlocks,
      blockSize: memory.blockSize,
      prefixCaching: settings.prefixCaching,
      chunkedPrefill: settings.chunkedPrefill,
      watermark: settings.watermark,
      maxModelLen: plan.maxModelLen,
      cost: stepCost(settings.gpu, settings.spec, memory),
      speed: settings.speed,
      countEstimates: settings.mfuMetrics,
    });
    this.#engine = engine;
    const target: FaultTarget = {
      settings,
      engine,
      requestFaults: new RequestFaults(),
      log: this.#log,
      killEngineProcess: () => this.#engineProcess.kill(),
      ignoreSigterm: (ignore) => {
        this.#ignoreSigterm = ignore;
      },
      accept: (accepting) => this.#accept(accepting),
      later: (ms, fn) => this.#later(ms, fn),
    };
    this.#faultTarget = target;
    const sim: Sim = {
      settings,
      engine,
      requestFaults: target.requestFaults,
      log: this.#log,
      startedAtS: Date.now() / 1000,
      maxModelLen: plan.maxModelLen,
      serverLoad: 0,
      onDeathRaised: () => this.#later(RAISED_MS, () => void this.#endDead()),
      strike: (fault, count, afterTokens) => strike(target, fault, count, afterTokens),
    };
    this.#server = createFrontEnd(sim);
    const tasks = settings.serves.generate
      ? settings.serves.pooling
        ? "('generate', 'embed', 'score')"
        : "('generate',)"
      : "('embed', 'score')";
    this.#log.info('APIServer', 'api_server.py:1900', `Supported tasks: ${tasks}`);
    const address = settings.uds ?? `http://${settings.host ?? '0.0.0.0'}:${settings.port}`;
    this.#log.info('APIServer', 'api_server.py:2002', `Starting vLLM server on ${address}`);
    this.#log.info('APIServer', 'launcher.py:38', 'Available routes are:');
    this.#log.stderr('APIServer', `INFO:     Started server process [${process.pid}]`);
    this.#log.stderr('APIServer', 'INFO:     Waiting for application startup.');
    await this.#listen();
    if (this.#state !== 'starting') throw new StartCancelled();
    this.#state = 'ready';
    this.#log.stderr('APIServer', 'INFO:     Application startup complete.');
    this.#logThroughput({ promptTokens: 0, generationTokens: 0 });
    strikeFromStart(target);
  }

  #logThroughput(before: ThroughputMark): void {
    const { statsIntervalS } = this.#settings;
    if (statsIntervalS === 0) return;
    this.#later(statsIntervalS * 1000, () => this.#logThroughput(logThroughput(this.#engine!, this.#log, before, statsIntervalS)));
  }

  #accept(accepting: boolean): void {
    const server = this.#server!;
    if (accepting && !server.listening && this.#state === 'ready') void this.#listen();
    if (accepting || !server.listening) return;
    server.close();
    server.closeIdleConnections();
  }

  async #listen(): Promise<void> {
    const server = this.#server!;
    const { uds, port, host } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(uds === null ? { port, host: host ?? '0.0.0.0' } : { path: uds }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  async #startFailed(error: unknown): Promise<number> {
    this.#log.flush();
    if (error instanceof StartCancelled) {
      if (this.#crashing) return 1;
      this.#log.stderr('APIServer', 'Traceback (most recent call last):\nKeyboardInterrupt: terminated');
      return 130;
    }
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return this.#portInUse();
    if (!(error instanceof StartFailure)) throw error;
    this.#state = 'stopping';
    if (error.engineError !== null) {
      this.#log.error('EngineCore', 'core.py:1100', 'EngineCore failed to start.');
      this.#log.error('EngineCore', 'core.py:1100', `Traceback (most recent call last):\n${error.engineError}`);
    }
    this.#log.stderr('APIServer', `Traceback (most recent call last):\n${error.message}`);
    return error.exitCode;
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (signal === 'SIGTERM' && this.#ignoreSigterm) return;
    if (this.#state === 'starting') {
      this.#state = 'stopping';
      this.#cancelStart?.();
      return;
    }
    if (this.#state === 'stopping') {
      // A second signal does not wait for anybody.
      this.#engine?.abortAll();
      return;
    }
    void this.#stop();
  }

  async #stop(): Promise<void> {
    const dead = this.#state === 'dead';
    this.#state = 'stopping';
    const { shutdownTimeoutS } = this.#settings;
    this.#log.info('APIServer', 'launcher.py:110', '[shutdown] API server: shutdown triggered');
    const engine = this.#engine!;
    if (!dead && shutdownTimeoutS > 0) {
      const timeout = new Promise<void>((resolve) => this.#later(shutdownTimeoutS * 1000, resolve));
      await Promise.race([engine.drain(), timeout]);
    }
    engine.abortAll();
    await this.#close();
    this.#exit.resolve(0);
  }

  /** The front end's end after the engine's: the exit status is 0, which is what vLLM does too. */
  async #endDead(): Promise<void> {
    if (this.#state !== 'dead' || this.#settings.keepAliveOnEngineDeath) return;
    this.#state = 'stopping';
    await this.#close();
    this.#exit.resolve(0);
  }

  async #close(): Promise<void> {
    const server = this.#server!;
    this.#log.stderr('APIServer', 'INFO:     Shutting down');
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeIdleConnections();
    this.#later(CLOSE_MS, () => server.closeAllConnections());
    await closed;
    this.#log.stderr('APIServer', 'INFO:     Waiting for application shutdown.');
    this.#log.stderr('APIServer', 'INFO:     Application shutdown complete.');
    this.#log.stderr('APIServer', `INFO:     Finished server process [${process.pid}]`);
  }

  #onEngineExit(quietly: boolean): void {
    if (this.#state === 'stopping') return;
    // A SIGTERM for the whole group may reach the child before it reaches us.
    if (quietly) this.#later(GROUP_SIGNAL_MS, () => this.#onEngineDeath());
    else this.#onEngineDeath();
  }

  #onEngineDeath(): void {
    if (this.#state === 'stopping' || this.#state === 'dead' || this.#settings.fault === 'host-oom') return;
    if (this.#state === 'starting') {
      this.#log.stderr(
        'APIServer',
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': -9}",
      );
      this.#crashing = true;
      this.#state = 'stopping';
      this.#cancelStart?.();
      return;
    }
    this.#state = 'dead';
    this.#log.error('APIServer', 'core_client.py:600', '[shutdown] MPClient: engine core exited unexpectedly; starting cleanup');
    this.#log.error('APIServer', 'async_llm.py:680', 'AsyncLLM output_handler failed.');
    this.#log.error(
      'APIServer',
      'async_llm.py:680',
      'Traceback (most recent call last):\nvllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.',
    );
    this.#engine?.die();
    this.#later(Math.max(300, WATCHDOG_MS * Math.min(1, this.#settings.speed)), () => void this.#endDead());
  }
}
