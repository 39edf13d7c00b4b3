import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many processes of a control group the kernel has killed for want of memory; null where it does not say. */
export type OomKillCount = () => number | null;

/** Where the kernel shows processes and control groups. */
const KERNEL = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

/** The count for the control group (version 2) that a process is in now. It can be asked after the process has ended. */
export function oomKillCount(pid: number, kernel: typeof KERNEL = KERNEL): OomKillCount {
  const file = eventsFile(pid, kernel);
  return () => (file === null ? null : readCount(file));
}

function eventsFile(pid: number, { proc, cgroup }: typeof KERNEL): string | null {
  try {
    const group = /^0::(.*)$/m.exec(readFileSync(join(proc, String(pid), 'cgroup'), 'utf8'))?.[1];
    return group === undefined ? null : join(cgroup, group, 'memory.events');
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
