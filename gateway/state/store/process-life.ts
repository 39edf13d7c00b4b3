import { readFileSync, readlinkSync } from 'node:fs';
import type { Holder } from './batch-terms.ts';

type NamedProcess = NonNullable<Holder['process']>;

/** A process by names that no other one has had or will have. */
export function processOf(pid: number): NamedProcess {
  return { pid, startedAt: `${houseOfProcesses()} ${startTicks(pid) ?? ''}` };
}

/** Whether it runs: known of those that this process can see, which those on other machines, and in other containers, are not. */
export function lifeOf({ pid, startedAt }: NamedProcess): 'runs' | 'gone' | 'unknown' {
  const at = startedAt.lastIndexOf(' ');
  if (startedAt.slice(0, at) !== houseOfProcesses()) return 'unknown';
  const ticks = startedAt.slice(at + 1);
  if (ticks !== '') return startTicks(pid) === Number(ticks) ? 'runs' : 'gone';
  try {
    process.kill(pid, 0);
    // It may be another one.
    return 'unknown';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'unknown';
  }
}

/** What has one numbering of processes: a container, or the system, from one start of the machine to the next. */
function houseOfProcesses(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** When it began, in ticks of the kernel; null: it is gone, or nothing tells. */
function startTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19]);
  } catch {
    return null;
  }
}
