import { readFileSync } from 'node:fs';
import { instancePrefix } from '../../../supervisor/system/instance-id.ts';
import { instanceIdOf, listProcesses, readProcess } from '../../../supervisor/system/processes.ts';
import type { ProcessMark } from '../asked/journal.ts';

/** Tells a point's gateway and supervisor where its state lies, and whose they are to whoever finds them later. */
export const STATE_DIR_VARIABLE = 'HEADGATE_SUPERVISOR__STATE_DIR';

export function markOf(pid: number): ProcessMark {
  return { pid, startTicks: readProcess(pid)?.startTicks ?? null };
}

/** Whether that very process lives: a number alone may be another's by now, and one whose birth is not known is nobody's to end. */
export function isAlive({ pid, startTicks }: ProcessMark): boolean {
  return startTicks !== null && readProcess(pid)?.startTicks === startTicks;
}

/** Whether a process was started for this state folder, as a gateway or a supervisor. An engine has none of our settings. */
export function isStartedFor(stateDir: string, pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${STATE_DIR_VARIABLE}=${stateDir}`);
  } catch {
    return false;
  }
}

/** Gateways and supervisors of this state folder that live. */
export function startedFor(stateDir: string): ProcessMark[] {
  return listProcesses().filter(({ pid }) => isStartedFor(stateDir, pid));
}

/** Engines of this state folder that live. */
export function enginesOf(stateDir: string): ProcessMark[] {
  const prefix = instancePrefix(stateDir);
  return listProcesses().filter(({ pid }) => instanceIdOf(pid)?.startsWith(prefix));
}
