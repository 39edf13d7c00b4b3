import { readFileSync } from 'node:fs';

/** Whether a supervisor runs in this process: a pid is used again by others. false where there is no /proc, and for null. */
export function isSupervisor(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    return /headgate[^\0]*\0supervise(?:\0|$)/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false;
  }
}
