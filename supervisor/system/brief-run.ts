import type { Clock } from '../../gateway/core/clock.ts';

interface BriefRun {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
}

type BriefAnswer =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** `ended` resolves when it is really gone, which for one that hangs in the kernel may be never. */
  | { readonly kind: 'late'; readonly ended: Promise<unknown> };

/** Runs a program that only answers a question. One that takes too long is ended with all it has started, and not waited for. */
export async function runBriefly(clock: Clock, run: BriefRun): Promise<BriefAnswer> {
  // Its modules are more than all the others of a gateway that asks no program anything.
  const { execa } = await import('execa');
  // A group of its own, so that the children of a wrapper script end with it.
  const child = execa(run.program, run.args, {
    env: { ...run.env },
    extendEnv: false,
    cwd: run.cwd,
    stdin: 'ignore',
    detached: true,
    maxBuffer: run.maxOutputBytes,
    reject: false,
  });
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = clock.after(run.timeoutMs, () => resolve(null));
  const result = await Promise.race([child, late]);
  timer.cancel();
  if (result === null) {
    killGroup(child.pid);
    return { kind: 'late', ended: child };
  }
  if (!result.failed) return { kind: 'answered', text: result.stdout };
  return { kind: 'failed', reason: firstLine(result.stdout) ?? firstLine(result.stderr) ?? result.shortMessage ?? 'it failed' };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

function firstLine(text: string | undefined): string | null {
  const lines = (text ?? '').split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '') ?? null;
}
