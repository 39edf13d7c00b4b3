import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sleep, type Clock, type Timer } from '../core/clock.ts';
import type { Log } from '../telemetry/log.ts';

/** Exit code of a supervisor whose settings or profiles are wrong: starting it again would not help. */
const EXIT_INVALID = 64;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** Alive this long, it counts as well again. */
const WELL_MS = 60_000;

/**
 * The supervisor as a process of its own, started again when it dies. It leads its own process group, so that Ctrl-C reaches the gateway
 * alone, which first drains and then tells it to stop.
 */
export class SupervisorProcess {
  readonly #argv: readonly string[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onHopeless: (exitCode: number) => void;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  #delayMs = FIRST_DELAY_MS;
  #again: Timer | null = null;

  /** `onHopeless`: it ended in a way that a new start would repeat. */
  constructor(argv: readonly string[], clock: Clock, log: Log, onHopeless: (exitCode: number) => void) {
    this.#argv = argv;
    this.#clock = clock;
    this.#log = log;
    this.#onHopeless = onHopeless;
  }

  start(): void {
    const startedAt = this.#clock.now();
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const cli = fileURLToPath(new URL(`../cli.${extension}`, import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, cli, 'supervise', ...this.#argv], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => this.#log.error('supervisor.exit', `The supervisor cannot be started: ${error.message}`));
      child.once('close', (code, signal) => {
        this.#child = null;
        resolve();
        this.#onExit(code, signal, this.#clock.now() - startedAt);
      });
    });
  }

  /** Asks it to end its workers and itself, and waits for that at most `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    this.#stopping = true;
    this.#again?.cancel();
    this.#child?.kill('SIGTERM');
    await Promise.race([this.#exited, sleep(this.#clock, limitMs)]);
    this.killNow();
  }

  /** A second signal makes it end its workers' process groups at once. */
  killNow(): void {
    this.#stopping = true;
    this.#again?.cancel();
    if (this.#child) {
      this.#child.kill('SIGTERM');
      this.#child.kill('SIGTERM');
    }
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, livedMs: number): void {
    if (this.#stopping) return;
    if (code === EXIT_INVALID) return this.#onHopeless(EXIT_INVALID);
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    this.#delayMs = livedMs > WELL_MS ? FIRST_DELAY_MS : Math.min(this.#delayMs * 2, LONGEST_DELAY_MS);
    this.#log.error('supervisor.exit', `The supervisor ended ${how}; starting it again in ${Math.round(this.#delayMs / 1000)} s.`);
    this.#again = this.#clock.after(this.#delayMs, () => this.start());
  }
}
