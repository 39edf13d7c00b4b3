import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listProcesses } from './processes.ts';

const FOLDER = '/dev/shm';
/** Names that Python and PyTorch make up, for a group of processes alone. Whatever has another name may be meant for others. */
const PRIVATE = /\/dev\/shm\/((?:psm_|sem\.mp-|torch_\d)[\w.-]*)/g;

/** The segments of shared memory that these processes have mapped, by their names; none where the system does not say. */
export function mappedSegments(pids: Iterable<number>): Set<string> {
  const names = new Set<string>();
  for (const pid of pids) {
    try {
      const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
      if (maps.includes(FOLDER)) for (const [, name] of maps.matchAll(PRIVATE)) if (name) names.add(name);
    } catch {
      // It has ended, or is not ours.
    }
  }
  return names;
}

/** Whoever was killed has not removed them, and each may be hundreds of megabytes of main memory. Only when all that had mapped them are gone. */
export function unlinkSegments(names: Iterable<string>): void {
  for (const name of names) {
    try {
      rmSync(join(FOLDER, name), { force: true });
    } catch {
      // Not ours to remove.
    }
  }
}

/** The same for processes that died while nobody looked: what a living one has mapped stays, whosever it is. */
export function unlinkUnused(names: readonly string[]): void {
  if (names.length === 0) return;
  const used = mappedSegments(listProcesses().map(({ pid }) => pid));
  unlinkSegments(names.filter((name) => isOurs(name) && !used.has(name)));
}

/** A name that such processes make up, and not a path into some other folder. */
function isOurs(name: string): boolean {
  return `${FOLDER}/${name}`.replace(PRIVATE, '') === '';
}
