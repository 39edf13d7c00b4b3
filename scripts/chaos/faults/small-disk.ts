import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearAtEnd } from '../../shows/left-behind.ts';

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
  readonly #clear: () => void;

  constructor(size: string) {
    this.#clear = clearAtEnd({ folder: this.path, isMounted: true });
    this.isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', this.path]).status === 0;
  }

  /** Until not a byte is free. @returns whether that is so */
  fill(): boolean {
    const file = openSync(join(this.path, 'ballast'), 'a');
    try {
      for (;;) {
        const { bavail } = statfsSync(this.path);
        if (bavail === 0) return true;
        writeSync(file, PIECE);
      }
    } catch {
      // Somebody else has taken the last piece.
      return statfsSync(this.path).bavail === 0;
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(join(this.path, 'ballast'), { force: true });
  }

  remove(): void {
    this.#clear();
  }
}
