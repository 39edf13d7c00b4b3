import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearAtEnd, sweep } from '../../shows/left-behind.ts';
import { askAdmin, freePort, isServing, startHeadgate, until } from '../../shows/scene.ts';

const ADMIN_KEY = 'faults-survived-1';
const START_MS = 60_000;
/** What it said last is waited for so long: a supervisor that it leaves behind may keep its output open. */
const LAST_WORDS_MS = 1_000;
/** Of what it says that is no line of its log. */
const MOST_TAIL = 4_000;

/** What a line of the log says. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  readonly settings: Readonly<Record<string, unknown>>;
  /** `gateway` in front of workers of the settings; `serve` with simulated engines. */
  readonly command: 'gateway' | 'serve';
  readonly env?: Readonly<Record<string, string>>;
  /** How many files it may have open. */
  readonly openFiles?: number;
  /** Where it works; a new folder if not said, which goes with it. */
  readonly folder?: string;
}

/** A gateway as a process of its own, in a folder of its own. Ended, with all that it has started, when it is disposed of. */
export class GatewayProcess implements AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  readonly #options: GatewayOptions;
  readonly #ended = new Map<string, number>();
  /** null: its folder is another's to clear away. */
  readonly #clear: (() => void) | null;
  #child: ChildProcess | null = null;
  #closed: Promise<unknown> = Promise.resolve();
  #tail = '';
  /** Told of each line of the log. */
  onLine: (line: LogLine) => void = () => {};

  private constructor(folder: string, port: number, options: GatewayOptions) {
    this.folder = folder;
    this.port = port;
    this.#options = options;
    this.#clear = options.folder === undefined ? clearAtEnd({ folder }) : null;
  }

  /** Starts one and waits until it serves. @throws Error with what it has said when it does not */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const port = await freePort(12);
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'headgate-chaos-'));
    const made = new GatewayProcess(folder, port, options);
    try {
      made.configure(options.settings);
      made.launch();
      await made.ready();
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How often the log has told the end of a request, by the request's id. */
  get ended(): ReadonlyMap<string, number> {
    return this.#ended;
  }

  /** What it has said last. */
  get tail(): string {
    return this.#tail;
  }

  /** Writes its settings; it reads them when it is started or told to. */
  configure(settings: Readonly<Record<string, unknown>> | string): void {
    const [first, last] = [this.port + 1, this.port + 11];
    const all =
      typeof settings === 'string'
        ? settings
        : JSON.stringify({
            ...settings,
            server: { port: this.port, ...(settings['server'] as object) },
            supervisor: { port_range: [first, last], ...(settings['supervisor'] as object) },
          });
    writeFileSync(join(this.folder, 'headgate.yaml'), all);
  }

  /** Starts it, or starts it again after its end. */
  launch(): void {
    const { command, openFiles, env } = this.#options;
    const child = startHeadgate([command, ...(command === 'serve' ? ['--engine', 'sim'] : [])], {
      cwd: this.folder,
      env: { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY, HEADGATE_LOG__FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      openFiles,
    });
    this.#closed = once(child, 'close');
    this.#closed.catch(() => {});
    this.#child = child;
    let rest = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#line(line);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
  }

  async ready(limitMs = START_MS): Promise<void> {
    await until(
      async () => {
        if (!this.isRunning) throw new Error(`the gateway ended before it was ready:\n${this.#tail}`);
        return isServing((path) => this.admin(path));
      },
      'the gateway is ready',
      limitMs,
    );
  }

  /** As an operator. null: nobody answers. */
  async admin(path: string, method: 'GET' | 'POST' = 'GET', limitMs = 3_000): Promise<Response | null> {
    const signal = AbortSignal.timeout(limitMs);
    return askAdmin(`${this.url}${path}`, ADMIN_KEY, { method, signal, headers: { connection: 'close' } });
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Its exit code, or the signal that ended it, once its last words are read; null: it has not ended in time. */
  async exit(limitMs: number): Promise<number | string | null> {
    const child = this.#child;
    if (child === null) return null;
    if (this.isRunning) await within(once(child, 'exit'), limitMs);
    if (!this.isRunning) await within(this.#closed, LAST_WORDS_MS);
    return child.exitCode ?? child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#clear === null) sweep(this.folder);
    else this.#clear();
    if (this.isRunning) await this.exit(5_000);
  }

  #line(line: string): void {
    this.#keep(`${line}\n`);
    if (!line.startsWith('{')) return;
    let told: LogLine;
    try {
      told = JSON.parse(line) as LogLine;
    } catch {
      return;
    }
    const id = told['request_id'];
    if (told['event'] === 'request.end' && typeof id === 'string') this.#ended.set(id, (this.#ended.get(id) ?? 0) + 1);
    this.onLine(told);
  }

  #keep(text: string): void {
    if (text.includes('"request.end"')) return;
    this.#tail = (this.#tail + text).slice(-MOST_TAIL);
  }
}

/** Resolves when that has come about, or the time is over. */
async function within(what: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([what, over]).finally(() => clearTimeout(timer));
}
