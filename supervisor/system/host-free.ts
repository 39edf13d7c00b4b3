import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the kernel shows memory and control groups. */
const KERNEL = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

/**
 * Bytes of main memory that processes of ours may still take: what the machine has left, or less where a control group (version 2) allows
 * less. null where the kernel does not say.
 */
export function availableHostBytes({ proc, cgroup }: typeof KERNEL = KERNEL): number | null {
  const machine = meminfoBytes(join(proc, 'meminfo'));
  const own = groupOf(join(proc, 'self/cgroup'));
  const limits = own === null ? [] : leftInGroups(cgroup, own);
  const known = machine === null ? limits : [machine, ...limits];
  return known.length === 0 ? null : Math.min(...known);
}

function meminfoBytes(file: string): number | null {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(read(file))?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

function groupOf(file: string): string | null {
  return /^0::(.*)$/m.exec(read(file))?.[1] ?? null;
}

/** What each group from ours up to the root has left; those without a limit say nothing. */
function leftInGroups(root: string, group: string): number[] {
  const left: number[] = [];
  for (let path = group; ; path = dirname(path)) {
    const most = Number.parseInt(read(join(root, path, 'memory.max')), 10);
    const used = Number.parseInt(read(join(root, path, 'memory.current')), 10);
    if (Number.isFinite(most) && Number.isFinite(used)) left.push(Math.max(0, most - used));
    if (path === '/' || path === '.' || path === '') return left;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
