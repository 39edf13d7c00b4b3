import { readProcess } from '../../../supervisor/system/processes.ts';
import type { ProcessMark } from '../asked/journal.ts';

export function markOf(pid: number): ProcessMark {
  return { pid, startTicks: readProcess(pid)?.startTicks ?? null };
}

/** Whether that very process lives: a number alone may be another's by now, and one whose birth is not known is nobody's to end. */
export function isAlive({ pid, startTicks }: ProcessMark): boolean {
  return startTicks !== null && readProcess(pid)?.startTicks === startTicks;
}
