import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PIECE = Buffer.alloc(4_096);

/** Why no disk can be made here; null: one can. */
export function whyNoDisk(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a small disk can only be mounted by root on Linux';
  const probe = new SmallDisk('64k');
  probe.remove();
  return probe.isMounted ? null : 'this container may not mount a tmpfs';
}

/** A disk of some megabytes in main memory, which can be filled. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'headgate-chaos-disk-'));
  readonly isMounted: boolean;

  constructor(size: string) {
    this.isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', this.path]).status === 0;
  }

  /** Until not a byte is free. */
  fill(): void {
    const file = openSync(join(this.path, 'ballast'), 'a');
    try {
      for (;;) {
        const { bavail } = statfsSync(this.path);
        if (bavail === 0) return;
        writeSync(file, PIECE);
      }
    } catch {
      // Somebody else has taken the last piece.
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(join(this.path, 'ballast'), { force: true });
  }

  remove(): void {
    if (this.isMounted) spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
