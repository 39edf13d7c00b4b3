import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const PROGRAM = fileURLToPath(new URL(`./worker-program.${EXTENSION}`, import.meta.url));

/** A sound worker that is a process, for what is done to processes by signals. */
export class WorkerProcess {
  #child: ChildProcess | null = null;
  port = 0;

  /** On the port that it had, if it had one. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, String(this.port)], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    this.#child = child;
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    this.port = Number(line);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
