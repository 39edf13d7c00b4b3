import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS = 5_000;
const LOOK_MS = 10;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Both streams; they go to a file. */
  log(): string;
  hasEnded(): boolean;
}

interface Launch {
  readonly cpu: number | null;
  /** Where it runs; the bench's own folder unless told otherwise. */
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly stopSignal?: NodeJS.Signals;
}

/** The processes that a bench has started, each in a group of its own. All of them are ended with it. */
export class Children {
  readonly #folder: string;
  readonly #running = new Map<number, { readonly child: ChildProcess; readonly signal: NodeJS.Signals }>();
  #count = 0;
  #isOver = false;

  constructor(folder: string) {
    this.#folder = folder;
    // The last resort: whatever ends this process.
    process.once('exit', () => this.#signalAll('SIGKILL'));
  }

  /** @throws where there is no such program */
  async start(
    name: string,
    command: readonly string[],
    { cpu, cwd = this.#folder, env = process.env, stopSignal = 'SIGTERM' }: Launch,
  ): Promise<Child> {
    if (this.#isOver) throw new Error('the bench is over');
    const file = join(this.#folder, `${name}-${this.#count++}.log`);
    const [program = '', ...args] = pinned(command, cpu);
    const fd = openSync(file, 'w');
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', fd, fd] });
    closeSync(fd);
    let ended = false;
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    const pid = child.pid!;
    this.#running.set(pid, { child, signal: stopSignal });
    child.once('exit', () => {
      ended = true;
      this.#running.delete(pid);
    });
    return { name, pid, log: () => readFileSync(file, 'utf8'), hasEnded: () => ended };
  }

  /** Resolves when it is gone, after SIGKILL at the latest. */
  async stop({ pid, hasEnded }: Child): Promise<void> {
    const found = this.#running.get(pid);
    if (found === undefined) return;
    sendSignal(-pid, found.signal);
    for (const until = performance.now() + STOP_MS; !hasEnded() && performance.now() < until;) await delay(LOOK_MS);
    // Its children as well, should they have outlived it.
    sendSignal(-pid, 'SIGKILL');
    while (!hasEnded()) await delay(LOOK_MS);
  }

  /** Nothing is started any more. */
  async stopAll(): Promise<void> {
    this.#isOver = true;
    const hasEnded = (pid: number) => () => !this.#running.has(pid);
    await Promise.all([...this.#running.keys()].map((pid) => this.stop({ name: '', pid, log: () => '', hasEnded: hasEnded(pid) })));
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const pid of this.#running.keys()) sendSignal(-pid, signal);
  }
}

/** The command, on one CPU only. */
export function pinned(command: readonly string[], cpu: number | null): readonly string[] {
  return cpu === null ? command : ['taskset', '-c', String(cpu), ...command];
}

/** Waits for something that a child prints. @throws with the last of its log when it ends, or after `limitMs` */
export async function printed(child: Child, pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
  for (const until = performance.now() + limitMs; ; await delay(LOOK_MS)) {
    const match = pattern.exec(child.log());
    if (match) return match;
    if (child.hasEnded() || performance.now() > until) throw new Error(lastWords(child));
  }
}

/** Why it is of no use. */
export function lastWords(child: Child): string {
  const last = child.log().trim().split('\n').slice(-5).join('\n  ');
  return `${child.name} ${child.hasEnded() ? 'has ended' : 'does not answer'}. The last of what it printed:\n  ${last || '(nothing)'}`;
}

/** A port of 127.0.0.1 on which nobody listens at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
