import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readlinkSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A folder that a program has made for a while. */
export interface Leaving {
  readonly folder: string;
  /** A disk is mounted there. */
  readonly isMounted?: boolean;
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const KEEPER = fileURLToPath(new URL(`./left-behind-program.${EXTENSION}`, import.meta.url));
const MOST_LOOKS = 200;
const LOOK_MS = 10;
const NAP = new Int32Array(new SharedArrayBuffer(4));

const leavings = new Set<Leaving>();
let keeper: ChildProcess | null = null;

/**
 * Has a folder cleared away when this process ends, however it ends: all that works in it is killed, its disk is taken out, and it is
 * removed. After kill -9 another process does it, which notices. @returns what clears it away now
 */
export function clearAtEnd(leaving: Leaving): () => void {
  if (leavings.size === 0 && keeper === null) process.once('exit', clearAll);
  leavings.add(leaving);
  tellKeeper('add', leaving);
  return () => {
    if (!leavings.delete(leaving)) return;
    clear(leaving);
    tellKeeper('done', leaving);
  };
}

/** Kills all that works in the folder, takes its disk out and removes it. */
export function clear({ folder, isMounted = false }: Leaving): void {
  sweep(folder);
  if (isMounted) spawnSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Kills all processes that work in the folder, those too that they start meanwhile. */
export function sweep(folder: string): void {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const pids = workingIn(folder).filter((pid) => pid !== process.pid);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
    Atomics.wait(NAP, 0, 0, LOOK_MS);
  }
}

/** Processes whose working folder this is, or lies in it. */
export function workingIn(folder: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const at = readlinkSync(`/proc/${pid}/cwd`);
      return at === folder || at.startsWith(`${folder}/`);
    } catch {
      return false;
    }
  });
}

/** @returns whether it was there */
export function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** The last that was made goes first: it may lie in one of those before. */
function clearAll(): void {
  for (const leaving of [...leavings].reverse()) {
    try {
      clear(leaving);
    } catch {
      // Others are still to be cleared away.
    }
    tellKeeper('done', leaving);
  }
}

function tellKeeper(what: 'add' | 'done', leaving: Leaving): void {
  if (keeper === null) {
    keeper = spawn(process.execPath, [KEEPER], { cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    keeper.once('error', () => {});
    keeper.stdin!.on('error', () => {});
    // It must not keep this process from ending.
    keeper.unref();
    (keeper.stdin as unknown as { unref(): void }).unref();
  }
  keeper.stdin!.write(`${JSON.stringify({ what, leaving })}\n`);
}
