import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { askState } from '../../gateway/link/ask-state.ts';
import type { SupervisorSnapshot } from '../../gateway/link/snapshot.ts';
import { clear } from './left-behind.ts';
import { freePort } from './own-ports.ts';

export { kill, workingIn } from './left-behind.ts';
export { freePort } from './own-ports.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const CLI = fileURLToPath(new URL(`../headgate.${EXTENSION}`, import.meta.url));
const ADMIN_KEY = 'shows-of-batches-1';
const LOOK_MS = 50;
const START_MS = 60_000;
/** As `npm start` runs it. */
const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

/** A settings file's content; the ports are chosen here where it names none. */
export interface SceneSettings {
  readonly [name: string]: unknown;
  readonly supervisor?: object;
  readonly server?: object;
}

/** A folder with settings, and what runs in it: a gateway, its supervisor, simulated engines. Ends with it, killed. */
export class Scene implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'headgate-show-'));
  readonly url: string;
  readonly adminKey = ADMIN_KEY;
  readonly #env: NodeJS.ProcessEnv;
  #log = '';
  readonly #onExit = (): void => this.#end();

  private constructor(port: number, settings: SceneSettings, env: NodeJS.ProcessEnv) {
    this.url = `http://127.0.0.1:${port}`;
    this.#env = { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY, ...env };
    this.set(settings);
    process.once('exit', this.#onExit);
  }

  /** @param env `SIM_` variables, as a rule */
  static async open(settings: SceneSettings, env: NodeJS.ProcessEnv): Promise<Scene> {
    const first = await freePort(24);
    const supervisor = { port_range: [first + 1, first + 23], ...settings.supervisor };
    return new Scene(first, { ...settings, supervisor }, env);
  }

  /** Settings for what is started from now on. */
  set(settings: SceneSettings): void {
    const server = { port: Number(new URL(this.url).port), ...settings.server };
    writeFileSync(join(this.folder, 'headgate.yaml'), JSON.stringify({ log: { format: 'json' }, ...settings, server }));
  }

  /** Starts a command of headgate, such as `serve --engine sim`. */
  start(...args: readonly string[]): ChildProcess {
    return this.startWith({}, ...args);
  }

  /** The same, with variables of its own. */
  startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): ChildProcess {
    const child = startHeadgate(args, { cwd: this.folder, env: { ...this.#env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    return child;
  }

  /** Lines of the log of all that was started, with that event. */
  logged(event: string): Record<string, unknown>[] {
    const lines = this.#log.split('\n').filter((line) => line.includes(`"${event}"`));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line['event'] === event);
  }

  /** What the supervisor says; null: none answers. */
  state(): Promise<SupervisorSnapshot | null> {
    return askState(join(this.folder, '.headgate', 'control.sock'));
  }

  /** As an operator. @returns null: nobody answers */
  async admin(path: string, method: 'GET' | 'POST' = 'GET', body?: object): Promise<Response | null> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    return askAdmin(`${this.url}${path}`, ADMIN_KEY, { method, ...json });
  }

  /** Resolves when the gateway serves the default model. */
  ready(): Promise<void> {
    return until(() => isServing((path) => this.admin(path)), 'the gateway is ready', START_MS);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.#end();
  }

  #end(): void {
    // Engines that sleep, and what they have started, too: all of them work in this folder.
    clear({ folder: this.folder });
  }
}

interface Started {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdio: StdioOptions;
  /** Ctrl-C at the terminal is not for it. */
  readonly detached?: boolean;
  /** How many files it may have open. */
  readonly openFiles?: number | undefined;
}

/** Starts a command of headgate as a process, with the flags of Node that `npm start` gives it. */
export function startHeadgate(args: readonly string[], { openFiles, ...options }: Started): ChildProcess {
  const words = [...NODE_FLAGS, CLI, ...args];
  if (openFiles === undefined) return spawn(process.execPath, words, options);
  return spawn('bash', ['-c', `ulimit -n ${openFiles} && exec "$0" "$@"`, process.execPath, ...words], options);
}

/** As an operator. @returns null: nobody answers */
export function askAdmin(url: string, key: string, { headers, ...init }: RequestInit = {}): Promise<Response | null> {
  return fetch(url, { ...init, headers: { 'x-api-key': key, ...(headers as Record<string, string> | undefined) } }).catch(() => null);
}

/** Whether a gateway, asked so, serves its default model. */
export async function isServing(ask: (path: string) => Promise<Response | null>): Promise<boolean> {
  return (await ask('/readyz'))?.status === 200;
}

/** Children of a process. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** @throws Error when it has not come about in time */
export async function until(condition: () => Promise<boolean> | boolean, what: string, limitMs: number): Promise<void> {
  for (const end = performance.now() + limitMs; !(await condition()); await delay(LOOK_MS)) {
    if (performance.now() > end) throw new Error(`never came about: ${what}`);
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
