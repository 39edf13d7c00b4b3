import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { scratchFolder } from '../supervisor/support/scratch.ts';

/** A disk of a few megabytes in main memory, which can be filled. */
export interface TinyDisk {
  readonly path: string;
  /** Leaves so many bytes free, or a little less. */
  fill(freeBytes?: number): void;
  makeRoom(): void;
}

const PIECE = Buffer.alloc(4_096);

/** Whether this user may mount one here: containers mostly refuse it. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const probe = mkdtempSync(join(tmpdir(), 'headgate-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

/** Unmounted after the test: close what uses it before that. */
export function tinyDisk(mebibytes: number): TinyDisk {
  const path = join(scratchFolder(), 'disk');
  mkdirSync(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  const ballast = join(path, 'ballast');
  return {
    path,
    fill(freeBytes = 0) {
      const file = openSync(ballast, 'a');
      try {
        for (let { bavail, bsize } = statfsSync(path); bavail * bsize > freeBytes; { bavail, bsize } = statfsSync(path))
          writeSync(file, PIECE);
      } finally {
        closeSync(file);
      }
    },
    makeRoom: () => rmSync(ballast, { force: true }),
  };
}
