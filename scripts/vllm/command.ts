import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Exit code; null where a signal or the time limit ended it, or where there is no such program. */
  readonly code: number | null;
  /** Both streams, the last 100,000 characters. */
  readonly output: string;
  readonly missing: boolean;
  readonly timedOut: boolean;
}

/** Runs a program to its end, at most `limitMs`, and gives what it said. Its whole group ends at the limit. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly limitMs: number; readonly env?: Readonly<Record<string, string | undefined>> },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: options.env ?? process.env });
    let output = '';
    let timedOut = false;
    const hear = (text: string): void => {
      output = (output + text).slice(-100_000);
    };
    child.stdout.setEncoding('utf8').on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
    const endGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup();
    }, options.limitMs);
    process.once('exit', endGroup);
    const over = (code: number | null, missing: boolean): void => {
      clearTimeout(timer);
      process.off('exit', endGroup);
      resolve({ code, output, missing, timedOut });
    };
    child.once('error', (error: NodeJS.ErrnoException) => over(null, error.code === 'ENOENT'));
    child.once('close', (code) => over(code, false));
  });
}
