import { existsSync, readFileSync } from 'node:fs';
import { type Historian, textOf } from './entry.ts';
import { entriesOf } from './read-history.ts';

/**
 * The process of an earlier life that has ended without a word: its last entry of beginning or end is a beginning, and it is gone.
 * null where the last went in order, or runs still.
 */
export function lostLife(stateDir: string, by: Historian): { readonly pid: number; readonly startedAt: string } | null {
  const last = entriesOf(stateDir, by).findLast((entry) => isBeginning(entry, by) || isEnd(entry, by));
  if (!last || isEnd(last, by) || last.process === process.pid || isOurs(last.process)) return null;
  return { pid: last.process, startedAt: last.at };
}

type Entry = ReturnType<typeof entriesOf>[number];

function isBeginning({ event }: Entry, by: Historian): boolean {
  return event === `${by}.start`;
}

function isEnd(entry: Entry, by: Historian): boolean {
  return by === 'supervisor' ? entry.event === 'supervisor.end' : entry.event === 'drain' && textOf(entry, 'stage') === 'end';
}

/** Whether it is a process of Headgate's: a pid is used again by others, and one that nobody has waited for yet has no command line any more. */
export function isOurs(pid: number): boolean {
  try {
    if (existsSync('/proc/self/cmdline')) return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('headgate');
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
