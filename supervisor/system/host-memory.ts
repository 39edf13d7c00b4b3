import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many processes of a control group the kernel has killed for want of memory; null where it does not say. */
export type OomKillCount = () => number | null;

/** Where the kernel shows processes and control groups. */
const KERNEL = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

/** The count for the control group that a process is in now. It can be asked after the process has ended. */
export function oomKillCount(pid: number, kernel: typeof KERNEL = KERNEL): OomKillCount {
  const file = countFile(pid, kernel);
  return () => (file === null ? null : readCount(file));
}

/** Version 1 has a tree of its own for memory; machines on which it still rules have version 2 beside it, without memory. */
function countFile(pid: number, { proc, cgroup }: typeof KERNEL): string | null {
  try {
    const groups = readFileSync(join(proc, String(pid), 'cgroup'), 'utf8');
    const unified = /^0::(.*)$/m.exec(groups)?.[1];
    const memory = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
    const files = [
      ...(unified === undefined ? [] : [join(cgroup, unified, 'memory.events')]),
      // A container sees its own group as the root, but is told its path on the host.
      ...(memory === undefined ? [] : [memory, '/'].map((path) => join(cgroup, 'memory', path, 'memory.oom_control'))),
    ];
    return files.find((file) => existsSync(file)) ?? null;
  } catch {
    return null;
  }
}

function readCount(file: string): number | null {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
    return count === undefined ? null : Number(count);
  } catch {
    return null;
  }
}
