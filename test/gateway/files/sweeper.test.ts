import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Disk, systemDisk } from '../../../gateway/files/disk.ts';
import { FileFolder } from '../../../gateway/files/file-folder.ts';
import { Sweeper } from '../../../gateway/files/sweeper.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { MemoryFiles } from '../../support/memory-files.ts';
import { filesBelow, tempFolder } from './failing-disk.ts';

let temp: ReturnType<typeof tempFolder>;
const troubles: string[] = [];
beforeEach(() => {
  temp = tempFolder();
  troubles.length = 0;
});
afterEach(() => temp[Symbol.dispose]());

const idOf = (number: number) => `file-${String(number).padStart(32, '0')}`;

async function house(count: number, disk: Disk = systemDisk) {
  const clock = createFakeClock();
  const records = new MemoryFiles();
  const folder = new FileFolder(temp.path, disk);
  await folder.make();
  for (let number = 0; number < count; number++) {
    const id = idOf(number);
    writeFileSync(join(temp.path, id), 'x');
    const row = { id, owner: 'app', bytes: 1, createdAt: clock.wall(), filename: 'a', purpose: 'batch', expiresAt: clock.wall() + 1_000 };
    await records.addFile(row, null);
  }
  const sweeper = new Sweeper({ clock, records, bytes: folder, onTrouble: (doing, what) => troubles.push(`${doing}: ${what}`) });
  return { clock, records, folder, sweeper };
}

test('files go when their time is over, and not before; those that a batch needs stay until it has ended', async () => {
  const { clock, records, sweeper } = await house(2);
  await sweeper.sweep();
  expect(filesBelow(temp.path)).toHaveLength(2);
  await clock.advance(1_000);
  records.isNeeded = (id) => id === idOf(1);
  await sweeper.sweep();
  expect(filesBelow(temp.path)).toEqual([idOf(1)]);
  expect(await records.fileIds()).toEqual(new Set([idOf(1)]));
  records.isNeeded = () => false;
  await sweeper.sweep();
  expect(filesBelow(temp.path)).toEqual([]);
  await sweeper.close();
});

test('a hundred at once, and the others soon', async () => {
  const { clock, records, sweeper } = await house(250);
  await clock.advance(1_000);
  await sweeper.sweep();
  expect((await records.fileIds()).size).toBe(150);
  for (let left = 2; left > 0; left--) {
    await clock.advance(1_000);
    await sweeper.sweep();
  }
  expect(filesBelow(temp.path)).toEqual([]);
  await sweeper.close();
  expect(clock.pending).toBe(0);
});

test('one that the disk does not let go of holds up no other, and is tried again', async () => {
  let isStuck = true;
  const disk: Disk = {
    ...systemDisk,
    remove: (path) => (isStuck && path.endsWith(idOf(0)) ? Promise.reject(new Error('EACCES: no')) : systemDisk.remove(path)),
  };
  const { clock, records, sweeper } = await house(3, disk);
  await clock.advance(1_000);
  await sweeper.sweep();
  expect(await records.fileIds()).toEqual(new Set([idOf(0)]));
  expect(troubles).toEqual(['removing a file that nobody needs: EACCES: no']);
  isStuck = false;
  await sweeper.sweep();
  expect(filesBelow(temp.path)).toEqual([]);
});

test('what a process left that died is gone after the start; a store that fails is no reason to stop', async () => {
  const { clock, records, folder, sweeper } = await house(0);
  records.fileIds = () => Promise.resolve(new Set([idOf(3)]));
  const { startedAt } = { startedAt: 'x' };
  writeFileSync(join(temp.path, 'tmp', `${idOf(1)}.999999999.${Buffer.from(startedAt).toString('base64url')}`), 'half');
  writeFileSync(join(temp.path, idOf(2)), 'nameless');
  expect(filesBelow(temp.path)).toHaveLength(2);
  // Both are as old as the test: the clock is not.
  expect(await folder.nameless(Date.now(), 10, () => records.fileIds())).toEqual([]);
  await sweeper.sweep();
  expect(filesBelow(temp.path)).toHaveLength(2);
  await sweeper.close();
  const late = { ...clock, wall: () => Date.now() + 3 * 24 * 3_600_000 };
  const later = new Sweeper({ clock: late, records, bytes: folder, onTrouble: (_, what) => troubles.push(what) });
  records.uselessFiles = () => Promise.reject(new Error('the store is away'));
  await later.sweep();
  expect(filesBelow(temp.path)).toEqual([]);
  expect(troubles).toEqual(['the store is away']);
  await later.close();
});
