import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clearAtEnd } from '../../shows/left-behind.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const PROGRAM = fileURLToPath(new URL(`./worker-program.${EXTENSION}`, import.meta.url));
const START_MS = 20_000;

/** A sound worker that is a process, for what is done to processes by signals. */
export class WorkerProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-worker-'));
  readonly #clear = clearAtEnd({ folder: this.#folder });
  #child: ChildProcess | null = null;
  port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** On the port that it had, if it had one. @throws Error where it does not come up in time */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, String(this.port)], {
      cwd: this.#folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1_000)));
    const ready = new AbortController();
    const options = { signal: AbortSignal.any([ready.signal, AbortSignal.timeout(START_MS)]) };
    try {
      const port = once(child.stdout.setEncoding('utf8'), 'data', options).then(([line]) => Number(line));
      const end = once(child, 'exit', options).then(() => null);
      // Of the one that comes second nobody asks any more.
      void port.catch(() => {});
      void end.catch(() => {});
      const told = await Promise.race([port, end]);
      if (told === null) throw new Error(`a worker ended before it listened: ${said}`);
      this.port = told;
    } finally {
      ready.abort();
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** @returns whether it ran */
  async kill(): Promise<boolean> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return false;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    return true;
  }

  /** It ends, and its folder goes with it. */
  async stop(): Promise<void> {
    await this.kill();
    this.#clear();
  }
}
