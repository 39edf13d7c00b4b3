import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup/memory';
const LIMIT = 'memory.limit_in_bytes';
/** More than an engine takes for a step. */
const ROOM_BYTES = 48 * 1024 * 1024;
const WANTED_MIB = 200;

/** A control group of version 1 that counts and limits the memory of those in it. */
export interface MemoryGroup {
  readonly folder: string;
  add(pid: number): void;
}

/** null where there are none, or only root could make one. */
export function makeMemoryGroup(): MemoryGroup | null {
  if (!existsSync(join(ROOT, LIMIT))) return null;
  const folder = join(ROOT, `headgate-test-${process.pid}-${Date.now()}`);
  try {
    mkdirSync(folder);
  } catch {
    return null;
  }
  return { folder, add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)) };
}

/** Lets the group run short: somebody who holds less than an engine wants more than is left. Returns what takes that back. */
export function takeMemory(group: MemoryGroup): () => void {
  const used = Number(readFileSync(join(group.folder, 'memory.usage_in_bytes'), 'utf8'));
  writeFileSync(join(group.folder, LIMIT), String(used + ROOM_BYTES));
  const taker = spawn(
    process.execPath,
    ['-e', `setTimeout(() => {}, 20_000); globalThis.held = Buffer.alloc(${WANTED_MIB} * 1024 * 1024, 1)`],
    {
      stdio: 'ignore',
    },
  );
  group.add(taker.pid!);
  return () => {
    taker.kill('SIGKILL');
    writeFileSync(join(group.folder, LIMIT), '-1');
  };
}

/** Once nobody is in it any more; what ends takes a moment. */
export async function removeMemoryGroup({ folder }: MemoryGroup): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      rmdirSync(folder);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
