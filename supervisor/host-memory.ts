import { readFileSync } from 'node:fs';

/** How many processes of a control group the kernel has killed for want of memory; null where it does not say. */
export type OomKillCount = () => number | null;

/** The count for the control group (version 2) that a process is in now. It can be asked after the process has ended. */
export function oomKillCount(pid: number): OomKillCount {
  const file = eventsFile(pid);
  return () => (file === null ? null : readCount(file));
}

function eventsFile(pid: number): string | null {
  try {
    const group = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    return group === undefined ? null : `/sys/fs/cgroup${group === '/' ? '' : group}/memory.events`;
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
