import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { askState } from '../../gateway/link/ask-state.ts';
import type { SupervisorSnapshot } from '../../gateway/link/snapshot.ts';

const CLI = fileURLToPath(new URL('../headgate.ts', import.meta.url));
const ADMIN_KEY = 'shows-of-batches-1';
const LOOK_MS = 50;
const START_MS = 60_000;
/** As `npm start` runs it. */
const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

/** A folder with settings, and what runs in it: a gateway, its supervisor, simulated engines. Ends with it, killed. */
export class Scene implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'headgate-show-'));
  readonly url: string;
  readonly adminKey = ADMIN_KEY;
  readonly #env: NodeJS.ProcessEnv;
  #log = '';
  readonly #onExit = (): void => this.#end();

  private constructor(port: number, settings: object, env: NodeJS.ProcessEnv) {
    this.url = `http://127.0.0.1:${port}`;
    this.#env = { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY, ...env };
    this.set(settings);
    process.once('exit', this.#onExit);
  }

  /** @param env `SIM_` variables, as a rule */
  static async open(settings: { readonly [name: string]: unknown; readonly supervisor?: object }, env: NodeJS.ProcessEnv): Promise<Scene> {
    const first = await freePort(24);
    const supervisor = { port_range: [first + 1, first + 23], ...settings.supervisor };
    return new Scene(first, { ...settings, supervisor }, env);
  }

  /** Settings for what is started from now on. */
  set(settings: object): void {
    const server = { port: Number(new URL(this.url).port) };
    writeFileSync(join(this.folder, 'headgate.yaml'), JSON.stringify({ server, log: { format: 'json' }, ...settings }));
  }

  /** Starts a command of headgate, such as `serve --engine sim`. */
  start(...args: readonly string[]): ChildProcess {
    return this.startWith({}, ...args);
  }

  /** The same, with variables of its own. */
  startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [...NODE_FLAGS, CLI, ...args], {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
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
    return fetch(`${this.url}${path}`, { method, headers: { 'x-api-key': ADMIN_KEY }, ...json }).catch(() => null);
  }

  /** Resolves when the gateway serves the default model. */
  ready(): Promise<void> {
    return until(async () => (await this.admin('/readyz'))?.status === 200, 'the gateway is ready', START_MS);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.#end();
  }

  #end(): void {
    // Engines that sleep, and what they have started, too: all of them work in this folder.
    for (const pid of workingIn(this.folder)) kill(pid);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Processes whose folder it is. */
export function workingIn(folder: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  });
}

/** @returns whether it was there */
export function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
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

/** The first of so many ports in a row that are free just now. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const { server, port } = await listening(0);
    const others = await Promise.allSettled(Array.from({ length: count - 1 }, (_, at) => listening(port + at + 1)));
    server.close();
    for (const other of others) if (other.status === 'fulfilled') other.value.server.close();
    if (port + count < 65_536 && others.every(({ status }) => status === 'fulfilled')) return port;
  }
}

function listening(port: number): Promise<{ readonly server: ReturnType<typeof createServer>; readonly port: number }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve({ server, port: (server.address() as AddressInfo).port }));
  });
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
