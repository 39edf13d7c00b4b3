import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, startTime } from './process-identity.ts';

const WAIT_MS = 5000;
const POLL_MS = 3;

let locks = 0;

/**
 * Does `work` while holding the lock file `path`. A lock whose holder has died is broken.
 * Throws when a living holder does not let go of it within five seconds.
 */
export async function withLock<T>(path: string, work: () => T): Promise<T> {
  const mine = `${process.pid} ${startTime(process.pid) ?? ''} ${++locks}`;
  const until = performance.now() + WAIT_MS;
  while (!tryLock(path, mine)) {
    if (performance.now() > until) throw new Error(`${path} is locked by another process`);
    breakIfAbandoned(path, mine);
    await sleep(POLL_MS);
  }
  try {
    return work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLock(path: string, mine: string): boolean {
  try {
    writeFileSync(path, mine, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function breakIfAbandoned(path: string, mine: string): void {
  const seen = read(path);
  if (seen === null || seen === '') return;
  const [pid, ticks] = seen.split(' ');
  if (isAlive(Number(pid), ticks === '' ? null : Number(ticks))) return;
  // Moved away rather than deleted: another process may have broken the lock and taken it anew, and what was moved can be checked for that.
  const aside = `${path}.${mine.replaceAll(' ', '-')}`;
  try {
    renameSync(path, aside);
    if (read(aside) === seen) rmSync(aside, { force: true });
    else renameSync(aside, path);
  } catch {
    // Another process was quicker.
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
