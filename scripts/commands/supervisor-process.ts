import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isAnswered } from '../../gateway/link/ask-state.ts';
import { EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { backOffMs } from '../../gateway/core/back-off.ts';
import { sleep, type Clock, type Timer } from '../../gateway/core/clock.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import { commandSupervisor } from '../../gateway/link/commands.ts';
import { STARTED_BY_VARIABLE } from '../../gateway/link/started-by.ts';

interface SupervisorProcessOptions {
  /** The command line after `headgate serve`: the supervisor reads the same settings. */
  readonly argv: readonly string[];
  /** Where its control API listens. */
  readonly control: string;
  readonly clock: Clock;
  readonly log: Log;
  /** It ended in a way that a new start would repeat. */
  readonly onHopeless: (exitCode: number) => void;
}

/** It waits most of its life: memory matters more to it than speed (109 MiB instead of 128). */
const SMALL = ['--max-semi-space-size=1', '--optimize-for-size'];
const DELAY = { firstMs: 1_000, longestMs: 30_000 };
/** A supervisor that lived this long was well: the delay before the next start is the first again. */
const WELL_MS = 60_000;
/** How often a supervisor that is not our child is looked at. */
const LOOK_MS = 2_000;

/**
 * The supervisor as a process of its own, started again when it dies. It leads its own process group, so that Ctrl-C reaches the gateway
 * alone, which first drains and then tells it to stop. One that an earlier gateway left behind keeps its workers: it is used as it is.
 */
export class SupervisorProcess {
  readonly #options: SupervisorProcessOptions;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  /** How often in a row it ended soon after its start. */
  #soon = 0;
  #again: Timer | null = null;
  #found = false;

  constructor(options: SupervisorProcessOptions) {
    this.#options = options;
  }

  /** Starts it, unless one answers already. */
  async start(): Promise<void> {
    const { control, clock, log } = this.#options;
    const answered = await isAnswered(control);
    if (this.#stopping) return;
    if (!answered) {
      this.#found = false;
      this.#spawn();
      return;
    }
    if (!this.#found) log.info('supervisor.found', 'A supervisor runs here already; its workers are used as they are.');
    this.#found = true;
    this.#again = clock.after(LOOK_MS, () => void this.start());
  }

  /** Asks it to end its workers and itself, and waits for that at most `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    const { control, clock, log } = this.#options;
    this.#stopping = true;
    this.#again?.cancel();
    if (this.#child) this.#child.kill('SIGTERM');
    else if (await isAnswered(control)) {
      // Another gateway's, or one that was started by itself, is not ours to stop.
      const { kind, message } = await commandSupervisor(clock, control, `/v1/stop?if=left&by=${process.pid}`);
      if (kind !== 'accepted') return log.info('supervisor.found', `The supervisor goes on. ${message}`);
    }
    await Promise.race([this.#gone(clock.now() + limitMs), sleep(clock, limitMs)]);
    if (this.#child) {
      const left = `The supervisor (process ${this.#child.pid}) has not ended in ${Math.round(limitMs / 1000)} s; it and its workers may go on.`;
      log.warn('supervisor.exit', left);
    }
    this.killNow();
  }

  /** A second signal makes it end its workers' process groups at once. */
  killNow(): void {
    this.#stopping = true;
    this.#again?.cancel();
    // Two pending signals of the same name would become one.
    this.#child?.kill('SIGTERM');
    this.#child?.kill('SIGINT');
  }

  async #gone(deadline: number): Promise<void> {
    const { control, clock } = this.#options;
    if (this.#child) return this.#exited;
    while (clock.now() < deadline && (await isAnswered(control))) await sleep(clock, 100);
  }

  #spawn(): void {
    const { argv, clock, log } = this.#options;
    const startedAt = clock.now();
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const cli = fileURLToPath(new URL(`../headgate.${extension}`, import.meta.url));
    const child = spawn(process.execPath, [...SMALL, cli, 'supervise', ...argv], {
      env: { ...process.env, [STARTED_BY_VARIABLE]: String(process.pid) },
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => log.error('supervisor.exit', `The supervisor cannot be started: ${error.message}`));
      child.once('close', (code, signal) => {
        this.#child = null;
        resolve();
        this.#onExit(code, signal, clock.now() - startedAt);
      });
    });
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, livedMs: number): void {
    const { clock, log, onHopeless } = this.#options;
    if (this.#stopping) return;
    if (code === EXIT_INVALID) return onHopeless(EXIT_INVALID);
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    this.#soon = livedMs > WELL_MS ? 0 : this.#soon + 1;
    const delayMs = backOffMs(DELAY, this.#soon);
    log.error('supervisor.exit', `The supervisor ended ${how}; starting it again in ${Math.round(delayMs / 1000)} s.`);
    this.#again = clock.after(delayMs, () => void this.start());
  }
}
