import { readFileSync } from 'node:fs';

/**
 * When a process began, in the kernel's ticks since boot: with the pid it names a process for good. null when there is no such live
 * process (a zombie holds nothing any more), or where there is no /proc to say so.
 */
export function startTime(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

/** Whether the process lives that had this pid and, if known, began at that time. */
export function isAlive(pid: number, starttime: number | null): boolean {
  if (starttime !== null) return startTime(pid) === starttime;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: a process is there, of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
