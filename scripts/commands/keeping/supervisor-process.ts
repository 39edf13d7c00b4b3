import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT_INVALID } from '../../../gateway/config/exit-codes.ts';
import { backOffMs } from '../../../gateway/core/back-off.ts';
import { sleep, type Clock, type Timer } from '../../../gateway/core/clock.ts';
import type { Log } from '../../../gateway/core/log/log.ts';
import { soundOf } from '../../../gateway/link/ask-state.ts';
import { commandSupervisor } from '../../../gateway/link/commands.ts';
import { STARTED_BY_VARIABLE } from '../../../gateway/link/started-by.ts';
import { isThere, supervisorAt, type SupervisorAt } from './supervisor-at.ts';
import { Silence, type SilenceLimits } from './silence.ts';

interface SupervisorProcessOptions {
  /** The command line after `headgate serve`: the supervisor reads the same settings. */
  readonly argv: readonly string[];
  /** Where its control API listens. */
  readonly control: string;
  /** Where what it launches is on record. */
  readonly stateDir: string;
  /** The process of the supervisor that was last heard of, whoever has started it. */
  readonly lastHeardOf: () => number | null;
  readonly clock: Clock;
  readonly log: Log;
  /** It ended in a way that a new start would repeat. */
  readonly onHopeless: (exitCode: number) => void;
  readonly patience?: Partial<Patience>;
}

interface Patience {
  /** How often the supervisor is listened to. Milliseconds, as all of these. */
  readonly lookMs: number;
  /** How long an answer is waited for. */
  readonly answerMs: number;
  /** Until it counts as hung. */
  readonly limits: SilenceLimits;
  /** How long it may be silent while it ends. */
  readonly lastSilenceMs: number;
}

/** It waits most of its life: memory matters more to it than speed (109 MiB instead of 128). */
const SMALL = ['--max-semi-space-size=1', '--optimize-for-size'];
const DELAY = { firstMs: 1_000, longestMs: 30_000 };
/** A supervisor that lived this long was well: the delay before the next start is the first again. */
const WELL_MS = 60_000;
/** Until its control API is there it may have to ask a driver and a vLLM, which can take minutes. */
const PATIENCE: Patience = { lookMs: 2_000, answerMs: 2_000, limits: { silent: 60_000, nobody: 900_000 }, lastSilenceMs: 10_000 };
/** What a supervisor that has to end at once may take for its engines' process groups. */
const AT_ONCE_MS = 2_000;
/** How often it is looked whether one that ends has ended. */
const LOOK_AGAIN_MS = 100;

/**
 * The supervisor as a process of its own, started again when it dies or hangs. It leads its own process group, so that Ctrl-C reaches the
 * gateway alone, which first drains and then tells it to stop. One that an earlier gateway left behind keeps its workers: it is used as it
 * is. One that another gateway uses is left to that.
 */
export class SupervisorProcess {
  readonly #options: SupervisorProcessOptions;
  readonly #patience: Patience;
  readonly #silence: Silence;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  /** Another gateway has it now. */
  #isGivenAway = false;
  /** How often in a row it ended soon after its start. */
  #soon = 0;
  #next: Timer | null = null;
  /** Before which it is not started again. */
  #pause: Timer | null = null;
  #found = false;

  constructor(options: SupervisorProcessOptions) {
    this.#options = options;
    this.#patience = { ...PATIENCE, ...options.patience };
    this.#silence = new Silence(options.clock, this.#patience.limits);
  }

  /** Starts it, unless one answers already, and looks after it from then on. */
  async start(): Promise<void> {
    const { control, clock, log } = this.#options;
    const sound = await soundOf(control, this.#patience.answerMs);
    if (this.#stopping) return;
    const isTooLong = this.#silence.isTooLong(sound);
    if (this.#child) {
      if (isTooLong) this.#replace(this.#child.pid);
    } else if (sound !== 'nobody') {
      if (!this.#found) log.info('supervisor.found', 'A supervisor runs here already; its workers are used as they are.');
      this.#found = true;
      if (isTooLong) this.#replace(this.#others()?.pid);
    } else if (this.#pause === null) {
      this.#found = false;
      this.#spawn();
    }
    this.#next?.cancel();
    this.#next = clock.after(this.#patience.lookMs, () => void this.start());
  }

  /** Asks it to end its workers and itself, and waits for that at most `limitMs`; then both are ended, whatever they say. */
  async stop(limitMs: number): Promise<void> {
    const { control, clock, log } = this.#options;
    this.#rest();
    const child = this.#child;
    if (!child && (await soundOf(control)) === 'nobody') return;
    const other = child ? null : this.#others();
    // One that was started by itself, or that another gateway uses, is not ours to stop.
    const told = await commandSupervisor(clock, control, `/v1/stop?if=left&by=${process.pid}`);
    if (told.kind === 'conflict') {
      this.#isGivenAway = true;
      child?.unref();
      return log.info('supervisor.found', `The supervisor goes on. ${told.message}`);
    }
    // It is only just starting, or hangs.
    if (told.kind !== 'accepted') child?.kill('SIGTERM');
    if (await this.#ends(clock.now() + limitMs, other)) return;
    const pid = child?.pid ?? other?.pid ?? null;
    log.warn('supervisor.exit', `The supervisor (process ${pid}) has not ended in the time that it had; it and its engines are ended now.`);
    await this.#endAtOnce(other);
  }

  /** A second signal makes it end its workers' process groups at once; one that hangs is killed, and they with it. */
  async killNow(): Promise<void> {
    this.#rest();
    if (this.#child && !this.#isGivenAway) await this.#endAtOnce(null);
  }

  #rest(): void {
    this.#stopping = true;
    this.#next?.cancel();
    this.#pause?.cancel();
  }

  /**
   * Waits for its end: its socket goes before its process does, which holds the state folder for as long as it is there.
   * @returns false when it is too late, or when it has fallen silent
   */
  async #ends(deadline: number, other: SupervisorAt | null): Promise<boolean> {
    const { control, clock } = this.#options;
    let heardAt = clock.now();
    while (clock.now() < deadline) {
      await Promise.race(this.#child ? [this.#exited, sleep(clock, LOOK_AGAIN_MS)] : [sleep(clock, LOOK_AGAIN_MS)]);
      if (this.#child === null && this.#found === false) return true;
      const sound = await soundOf(control, this.#patience.answerMs);
      const isGone = sound === 'nobody' && this.#child === null;
      if (isGone && !isThere(other)) return true;
      if (sound !== 'silent' && !isGone) heardAt = clock.now();
      else if (clock.now() - heardAt > this.#patience.lastSilenceMs) return false;
    }
    return false;
  }

  /** `other`: what is to be ended where it is no child of ours. */
  async #endAtOnce(other: SupervisorAt | null): Promise<void> {
    const { clock, log, stateDir } = this.#options;
    const child = this.#child;
    // Two pending signals of the same name would become one.
    child?.kill('SIGTERM');
    child?.kill('SIGINT');
    if (child) await Promise.race([this.#exited, sleep(clock, AT_ONCE_MS)]);
    if (child && this.#child === null) return;
    child?.kill('SIGKILL');
    if (other !== null && isThere(other)) kill(other.pid);
    if (child) await Promise.race([this.#exited, sleep(clock, AT_ONCE_MS)]);
    for (const until = clock.now() + AT_ONCE_MS; isThere(other) && clock.now() < until;) await sleep(clock, LOOK_AGAIN_MS);
    const { endLeftovers } = await import('../../../supervisor/fleet/leftovers.ts');
    await endLeftovers(clock, stateDir, log);
  }

  /** Ends one that hangs. Its engines go on; the next supervisor takes them over. */
  #replace(pid: number | null | undefined): void {
    if (pid === null || pid === undefined) return;
    const told = `The supervisor (process ${pid}) does not answer any more: it hangs. It is ended, and the next one takes its engines over.`;
    this.#options.log.error('supervisor.hung', told, { pid });
    this.#silence.end();
    kill(pid);
  }

  /** The process of a supervisor that is not our child, if it still is one. */
  #others(): SupervisorAt | null {
    return supervisorAt(this.#options.lastHeardOf());
  }

  #spawn(): void {
    const { argv, clock, log } = this.#options;
    const startedAt = clock.now();
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const cli = fileURLToPath(new URL(`../../headgate.${extension}`, import.meta.url));
    const child = spawn(process.execPath, [...SMALL, cli, 'supervise', ...argv], {
      env: { ...process.env, [STARTED_BY_VARIABLE]: String(process.pid) },
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#silence.end();
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
    this.#pause = clock.after(delayMs, () => {
      this.#pause = null;
      void this.start();
    });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}
