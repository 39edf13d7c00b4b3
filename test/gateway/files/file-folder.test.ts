import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemDisk } from '../../../gateway/files/disk.ts';
import { FileFolder } from '../../../gateway/files/file-folder.ts';
import { processOf } from '../../../gateway/state/store/process-life.ts';
import { filesBelow, tempFolder } from './failing-disk.ts';

const ID = `file-${'a'.repeat(32)}`;
const OTHER = `file-${'b'.repeat(32)}`;
const HOUR_MS = 3_600_000;

let temp: ReturnType<typeof tempFolder>;
beforeEach(() => void (temp = tempFolder()));
afterEach(() => temp[Symbol.dispose]());

test('is made again where somebody has removed it', async () => {
  const folder = new FileFolder(join(temp.path, 'files'));
  await (await folder.draft(ID)).discard();
  rmSync(folder.path, { recursive: true });
  const draft = await folder.draft(ID);
  await draft.append(Buffer.from('again'));
  await draft.keep();
  expect(readFileSync(folder.pathOf(ID), 'utf8')).toBe('again');
});

test('only its owner may look into it', async () => {
  const folder = new FileFolder(join(temp.path, 'deep', 'files'));
  const draft = await folder.draft(ID);
  const [path = ''] = filesBelow(folder.path);
  for (const each of ['', 'tmp', 'batches']) expect(statSync(join(folder.path, each)).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder.path, path)).mode & 0o777).toBe(0o600);
  await draft.discard();
  expect(filesBelow(folder.path)).toEqual([]);
});

test.each(['', '..', '../../etc/passwd', 'file-1', `${ID}/..`, `file-${'A'.repeat(32)}`, `file-${'a'.repeat(31)}\0`])(
  'nothing but an id becomes a path: %j',
  (id) => {
    const folder = new FileFolder(temp.path);
    expect(() => folder.pathOf(id)).toThrow('not the id');
    expect(() => folder.batchFolder(id)).toThrow('not the id');
  },
);

describe('drafts that somebody has left', () => {
  const writers = {
    living: processOf(process.pid),
    dead: { pid: process.pid, startedAt: processOf(process.pid).startedAt.replace(/\d+$/, '1') },
    strange: { pid: 1, startedAt: 'another-machine 7' },
  };

  async function left(writer: keyof typeof writers, id: string): Promise<string> {
    const before = filesBelow(temp.path);
    const draft = await new FileFolder(temp.path, systemDisk, writers[writer]).draft(id);
    const path = filesBelow(temp.path).find((each) => !before.includes(each))!;
    await draft.discard();
    writeFileSync(join(temp.path, path), 'half');
    return basename(path);
  }

  test('are those of processes that are gone, and of strangers after two days', async () => {
    const folder = new FileFolder(temp.path);
    await left('living', ID);
    const dead = await left('dead', OTHER);
    const strange = await left('strange', ID);
    const now = Date.now();
    expect(await folder.leftovers(now, 10)).toEqual([dead]);
    expect((await folder.leftovers(now + 49 * HOUR_MS, 10)).toSorted()).toEqual([dead, strange].toSorted());
    expect(await folder.leftovers(now + 49 * HOUR_MS, 1)).toHaveLength(1);
  });

  test('are told by the process that wrote them, which may be a real one that has ended', async () => {
    const script = `
      const { FileFolder } = await import(${JSON.stringify(new URL('../../../gateway/files/file-folder.ts', import.meta.url).href)});
      await (await new FileFolder(${JSON.stringify(temp.path)}).draft(${JSON.stringify(ID)})).append(Buffer.from('half'));
      process.kill(process.pid, 'SIGKILL');
    `;
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })).toThrow();
    expect(filesBelow(temp.path)).toHaveLength(1);
    const dead = await new FileFolder(temp.path).leftovers(Date.now(), 10);
    expect(dead.map((name) => join('tmp', name))).toEqual(filesBelow(temp.path));
  });
});

test('a file without a row is nobody’s after an hour, not before, and nothing else is looked at', async () => {
  const folder = new FileFolder(temp.path);
  await folder.make();
  for (const name of [ID, OTHER, 'README']) writeFileSync(join(temp.path, name), 'x');
  // The time of its bytes does not count: a journal of yesterday may have become a file just now.
  utimesSync(folder.pathOf(ID), 1, 1);
  const known = () => Promise.resolve(new Set([OTHER]));
  expect(await folder.nameless(Date.now(), 10, known)).toEqual([]);
  expect(await folder.nameless(Date.now() + HOUR_MS + 60_000, 10, known)).toEqual([ID]);
  // A database that knows of none may stand in the place of one that was lost.
  expect(await folder.nameless(Date.now() + HOUR_MS + 60_000, 10, () => Promise.resolve(new Set<string>()))).toEqual([]);
});

test('a finished file becomes one of ours, and keeps its own name until it is removed', async () => {
  const folder = new FileFolder(temp.path);
  await folder.make();
  const journal = join(temp.path, 'batches', 'journal.out');
  writeFileSync(journal, 'lines');
  await folder.adopt(journal, ID);
  expect(readFileSync(journal, 'utf8')).toBe('lines');
  await systemDisk.remove(journal);
  expect(readFileSync(folder.pathOf(ID), 'utf8')).toBe('lines');
});
