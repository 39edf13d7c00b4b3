import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';
import type { Exit } from '../failure/row.ts';
import type { LaunchPlan } from './launch.ts';

export type Spawned =
  | { readonly kind: 'running'; readonly pid: number; readonly exited: Promise<Exit> }
  | { readonly kind: 'failed'; readonly code: string; readonly detail: string };

/**
 * Starts the engine as the leader of a process group of its own, writing to `logFile`.
 * Its output goes straight into the file and not through a pipe: an engine must survive the end of its supervisor, and a grandchild
 * that keeps a pipe open must not hide the end of its parent.
 */
export async function spawnChild(plan: LaunchPlan, logFile: string): Promise<Spawned> {
  // execa passes on any descriptor; its types only list 3 to 9.
  const log = openSync(logFile, 'a', 0o600) as 3;
  try {
    const child = execa(plan.file, plan.argv, {
      cwd: plan.cwd,
      env: { ...plan.env },
      extendEnv: false,
      stdin: 'ignore',
      stdout: log,
      stderr: log,
      detached: true,
      // execa would keep all output in memory, end the child along with us, and follow a SIGTERM with a SIGKILL to the leader alone.
      buffer: false,
      cleanup: false,
      forceKillAfterDelay: false,
      reject: false,
    });
    if (child.pid === undefined) {
      const result = await child;
      return { kind: 'failed', code: result.code ?? 'UNKNOWN', detail: result.originalMessage ?? 'unknown reason' };
    }
    // What keeps us running is having something to supervise with, not a child that may hang in the kernel for good.
    child.nodeChildProcess.unref();
    const exited = child.then((result) => ({ code: result.exitCode ?? null, signal: result.signal ?? null }));
    return { kind: 'running', pid: child.pid, exited };
  } finally {
    closeSync(log);
  }
}
