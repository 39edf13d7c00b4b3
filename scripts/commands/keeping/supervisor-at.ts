import { readFileSync } from 'node:fs';
import { readProcess } from '../../../supervisor/system/processes.ts';

/** A process in which a supervisor runs, or did: a pid is used again by others. */
export interface SupervisorAt {
  readonly pid: number;
  /** When it began, in the kernel's ticks since boot. */
  readonly startTicks: number;
}

/** The supervisor in this process; null where there is none, for null, and where there is no /proc. */
export function supervisorAt(pid: number | null): SupervisorAt | null {
  return pid !== null && isSupervisor(pid) ? readProcess(pid) : null;
}

/** Whether it has not ended yet. One that is ending has no command line any more, and its sockets still. */
export function isThere(supervisor: SupervisorAt | null): boolean {
  return supervisor !== null && readProcess(supervisor.pid)?.startTicks === supervisor.startTicks;
}

function isSupervisor(pid: number): boolean {
  try {
    return /headgate[^\0]*\0supervise(?:\0|$)/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false;
  }
}
