import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '../../../gateway/core/clock.ts';
import { askState } from '../../../gateway/link/ask-state.ts';
import type { Point } from '../grid/axes.ts';
import { freePorts } from './free-ports.ts';
import { endPoint, type Launched } from './leftovers.ts';
import { markOf, STATE_DIR_VARIABLE } from './marks.ts';
import { judge, type Look } from './verdict.ts';

/** One for the gateway, the others for the engine: vLLM binds more than the one that it is told. */
const PORTS = 24;
const LOOK_MS = 150;
const MOST_LAST_WORDS = 5;
/** Beyond a start's own time: planning, and asking the driver and vLLM. */
const BESIDE_START_MS = 120_000;

export interface PointSettings {
  readonly cwd: string;
  /** Flags of the settings, as they were typed. */
  readonly where: readonly string[];
  /** Folder of profiles that has the tuning. */
  readonly profiles: string;
  readonly tuning: string;
  readonly stateDir: string;
  readonly vllmCache: string;
  readonly startTimeoutMs: number;
}

/** What became of waiting for a point. */
export type Ready = Exclude<Look, { kind: 'starting' }> | { readonly kind: 'interrupted' };

/** A `headgate serve` of its own for one point: gateway, supervisor and engine, on free ports and in a state folder that nobody else uses. */
export class PointServer {
  readonly url: string;
  readonly launched: Launched;
  readonly #child: ChildProcess;
  readonly #limitMs: number;
  #exit: string | null = null;

  private constructor(child: ChildProcess, url: string, launched: Launched, limitMs: number) {
    this.url = url;
    this.launched = launched;
    this.#child = child;
    this.#limitMs = limitMs;
    child.once('exit', (code, signal) => (this.#exit = signal ?? `exit code ${code}`));
  }

  /** @throws Error where it cannot be started at all */
  static async launch({ cwd, where, profiles, tuning, stateDir, vllmCache, startTimeoutMs }: PointSettings): Promise<PointServer> {
    const port = await freePorts(PORTS);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if (existsSync(vllmCache)) copyFileSync(vllmCache, join(stateDir, basename(vllmCache)));
    // A short path: a socket's may have 107 bytes, and the folder of a run lies deep.
    const control = `http://127.0.0.1:${port + 1}`;
    const output = openSync(join(stateDir, 'serve.log'), 'a', 0o600);
    try {
      const child = spawn(process.execPath, [cli(), 'serve', ...where, '--tuning', tuning, '--host', '127.0.0.1', '--port', String(port)], {
        cwd,
        env: { ...process.env, ...overrides({ stateDir, profiles, control, ports: [port + 2, port + PORTS - 1] }) },
        // Ctrl-C is for whoever tunes, who then ends it.
        detached: true,
        stdio: ['ignore', output, output],
      });
      const pid = await started(child);
      return new PointServer(
        child,
        `http://127.0.0.1:${port}`,
        { process: markOf(pid), stateDir, control },
        startTimeoutMs + BESIDE_START_MS,
      );
    } finally {
      closeSync(output);
    }
  }

  /** Waits until it serves, or will not. `onStage`: what it is doing meanwhile. */
  async ready(point: Point, signal: AbortSignal, onStage: (stage: string) => void): Promise<Ready> {
    for (const end = performance.now() + this.#limitMs; performance.now() < end; await sleep(systemClock, LOOK_MS)) {
      if (signal.aborted) return { kind: 'interrupted' };
      const look = await this.look(point);
      if (look.kind === 'starting') onStage(look.stage);
      else if (look.kind === 'over' || (await this.#serves())) return look;
    }
    return {
      kind: 'over',
      outcome: 'failed',
      failureClass: 'start-timeout',
      reason: `It was not ready after ${Math.round(this.#limitMs / 1000)} s.`,
    };
  }

  /** How it stands now. @throws Error when "headgate serve" itself has ended: no other point would fare better */
  async look(point: Point): Promise<Look> {
    const state = await askState(this.launched.control);
    if (this.#exit !== null) throw new Error(this.#lastWords());
    return state === null ? { kind: 'starting', stage: 'supervisor' } : judge(state, point);
  }

  /** @returns what could not be ended, in words; null: nothing is left */
  stop(): Promise<string | null> {
    this.#child.unref();
    return endPoint(this.launched);
  }

  #lastWords(): string {
    const file = join(this.launched.stateDir, 'serve.log');
    const said = readFileSync(file, 'utf8').trim().split('\n').slice(-MOST_LAST_WORDS).join('\n');
    return `"headgate serve" ended (${this.#exit}) where a point was to be measured: ${said} (${file})`;
  }

  async #serves(): Promise<boolean> {
    const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    await answer?.body?.cancel();
    return answer?.status === 200;
  }
}

interface Places {
  readonly stateDir: string;
  readonly profiles: string;
  readonly control: string;
  readonly ports: readonly [number, number];
}

const LIMITS = ['REQUESTS_PER_MINUTE', 'TOKENS_PER_MINUTE', 'CONCURRENT_REQUESTS', 'TOKENS_PER_DAY', 'TOKENS_PER_MONTH'];

/** What of the settings is a point's own: where it lies and listens, and whatever would keep its calls from the engine or its doings in other hands. */
function overrides({ stateDir, profiles, control, ports }: Places): Record<string, string> {
  return {
    [STATE_DIR_VARIABLE]: stateDir,
    HEADGATE_SUPERVISOR__PROFILES_DIR: profiles,
    HEADGATE_SUPERVISOR__CONTROL: control,
    HEADGATE_SUPERVISOR__PORT_RANGE: JSON.stringify(ports),
    HEADGATE_SUPERVISOR__REPLICAS: '1',
    HEADGATE_SERVER__PROCESSES: '1',
    HEADGATE_ADMIN__KEY: randomBytes(16).toString('hex'),
    HEADGATE_ADMIN__PORT: 'null',
    HEADGATE_AUTH__ALLOW_ANONYMOUS: 'true',
    ...Object.fromEntries(LIMITS.map((limit) => [`HEADGATE_LIMITS__ANONYMOUS__${limit}`, 'null'])),
    HEADGATE_STATE__URL: 'null',
    HEADGATE_DATABASE__URL: 'auto',
    HEADGATE_FILES__DIR: 'auto',
    HEADGATE_BATCHES__ENABLED: 'false',
    HEADGATE_CACHE__ENABLED: 'false',
    HEADGATE_LOG__FORMAT: 'json',
  };
}

function started(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!));
    child.once('error', reject);
  });
}

function cli(): string {
  return fileURLToPath(new URL(`../../headgate.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));
}
