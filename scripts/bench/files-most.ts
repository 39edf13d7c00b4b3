import { readFileSync } from 'node:fs';

/** How many files a process may have open at most. */
export function filesMost(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === undefined || limit === 'unlimited' ? 1_048_576 : Number(limit);
}
