import { spawn, type ChildProcess } from 'node:child_process';
import { ADMIN_KEY } from './admin.ts';

export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has printed so far, both streams together. */
  output(): string;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Resolves once the output matches. @throws when it ends before, or after `limitMs` */
  prints(pattern: RegExp, limitMs?: number): Promise<RegExpExecArray>;
}

/** Starts a command in a process group of its own; disposing of it ends the group. A gateway gets ADMIN_KEY, and so does who asks it. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): RunningProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting = new Set<() => void>();
  const more = (piece: Buffer): void => {
    output += piece.toString('utf8');
    for (const look of waiting) look();
  };
  child.stdout.on('data', more);
  child.stderr.on('data', more);
  let ended = false;
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => {
      const told = (): void => resolve(code ?? signal ?? -1);
      // What it said last may not have been read yet; and a supervisor that it left behind may keep its pipes open.
      const timer = setTimeout(told, 1_000);
      child.once('close', () => {
        clearTimeout(timer);
        told();
      });
    });
  });
  child.once('close', () => {
    ended = true;
    for (const look of waiting) look();
  });
  return {
    child,
    output: () => output,
    exited,
    prints(pattern, limitMs = 60_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => finish(new Error(`it did not print ${pattern} within ${limitMs} ms:\n${output}`)), limitMs);
        const look = (): void => {
          const match = pattern.exec(output);
          if (match) finish(match);
          else if (ended) finish(new Error(`it ended before it printed ${pattern}:\n${output}`));
        };
        const finish = (result: RegExpExecArray | Error): void => {
          clearTimeout(timer);
          waiting.delete(look);
          if (result instanceof Error) reject(result);
          else resolve(result);
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        child.kill('SIGTERM');
        const timer = setTimeout(() => killGroup(child.pid!), 5_000);
        await exited;
        clearTimeout(timer);
      }
      killGroup(child.pid!);
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}
