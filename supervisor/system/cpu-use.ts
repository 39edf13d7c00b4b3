import { readFileSync } from 'node:fs';
import { listProcesses } from './processes.ts';

/** What processes have done, at one moment. */
export interface CpuUse {
  /** CPU time of all of them, in the kernel's ticks of 10 ms. */
  readonly ticks: number;
  /** One of them would run if only it had a CPU. */
  readonly isRunnable: boolean;
}

/** Background threads of a process that waits take this much in some seconds; who answers a question takes more. Ticks. */
const NEXT_TO_NOTHING = 1;

/** Of the processes of a group whose name `counts`, with all their threads; null where none is there, or the system does not say. */
export function cpuUse(group: number, counts: (name: string) => boolean): CpuUse | null {
  const found = listProcesses().flatMap((process) => (process.group === group ? (read(process.pid, counts) ?? []) : []));
  if (found.length === 0) return null;
  return { ticks: found.reduce((sum, { ticks }) => sum + ticks, 0), isRunnable: found.some(({ isRunnable }) => isRunnable) };
}

/** Between two moments nothing was done, and not for want of a CPU: who has a question to answer and does this is stopped, or stuck. */
export function stoodStill(before: CpuUse | null, after: CpuUse | null): boolean {
  if (before === null || after === null || before.isRunnable || after.isRunnable) return false;
  return after.ticks - before.ticks <= NEXT_TO_NOTHING;
}

function read(pid: number, counts: (name: string) => boolean): CpuUse | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    if (!counts(stat.slice(stat.indexOf('(') + 1, end))) return null;
    const fields = stat.slice(end + 2).split(' ');
    return { ticks: Number(fields[11]) + Number(fields[12]), isRunnable: fields[0] === 'R' };
  } catch {
    return null;
  }
}
