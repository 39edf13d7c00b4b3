import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { obstacleToWriting, openToOthers } from '../../../supervisor/system/state-folder.ts';
import { scratchFolder } from '../support/scratch.ts';

describe('a state folder', () => {
  test('that is ours alone, or does not exist yet, is in order', () => {
    const folder = scratchFolder();
    chmodSync(folder, 0o700);
    for (const each of [folder, join(folder, 'not', 'yet')]) {
      expect(obstacleToWriting(each)).toBeNull();
      expect(openToOthers(each)).toBeNull();
    }
  });

  test('that anyone can write to is told of, with what to do', () => {
    const folder = scratchFolder();
    chmodSync(folder, 0o777);
    expect(openToOthers(folder)).toMatch(/^Anyone on this machine can write to .* could stop engines .*: chmod 700 /);
    chmodSync(folder, 0o755);
    expect(openToOthers(folder)).toBeNull();
  });

  test('in the place of which a file lies cannot be used', () => {
    const file = join(scratchFolder(), 'file');
    writeFileSync(file, '');
    expect(obstacleToWriting(file)).toBe(`${file} is not a folder`);
    expect(obstacleToWriting(join(file, 'below'))).toBe(`${file} is not a folder`);
  });

  // Containers have /sys mounted so; elsewhere it may be written to.
  const isReadOnly = obstacleToWriting('/sys/headgate')?.includes('read-only') ?? false;
  test.skipIf(!isReadOnly)('on a file system that is read-only asks for a volume (skipped where /sys is not read-only)', () => {
    expect(obstacleToWriting('/sys/headgate')).toMatch(
      /^\/sys lies on a file system that is mounted read-only: mount a volume there, or set supervisor\.state_dir/,
    );
  });
});
