import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { idMaker } from '../../../gateway/core/secrets/id-maker.ts';
import { systemDisk } from '../../../gateway/files/disk.ts';
import { FileFolder } from '../../../gateway/files/file-folder.ts';
import { Files, type FileSettings, type NewFile } from '../../../gateway/files/files.ts';
import type { FileRecords } from '../../../gateway/state/store/ports.ts';
import { StoreFailed } from '../../../gateway/state/store/store-failed.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { MemoryFiles } from '../../support/memory-files.ts';
import { failingDisk, filesBelow, tempFolder } from './failing-disk.ts';

const ABOUT: NewFile = { owner: 'app', filename: '../../etc/passwd', purpose: 'user_data', expiresAfterS: null };
const SETTINGS: FileSettings = {
  max_file_bytes: 1_000_000,
  batch_max_file_bytes: 100,
  expire_batch_files_after_ms: 2_592_000_000,
  max_total_bytes: null,
};

let temp: ReturnType<typeof tempFolder>;
const troubles: string[] = [];
const clock = createFakeClock();

beforeEach(() => {
  temp = tempFolder();
  troubles.length = 0;
});
afterEach(() => temp[Symbol.dispose]());

function filesOf(records: FileRecords, disk = systemDisk, settings = SETTINGS): Files {
  const bytes = new FileFolder(temp.path, disk);
  return new Files({ clock, records, bytes, settings: () => settings, newId: idMaker(), onTrouble: (_, what) => troubles.push(what) });
}

async function send(files: Files, text: string, about: Partial<NewFile> = {}) {
  const draft = await files.begin();
  try {
    await draft.write(Buffer.from(text));
  } catch (thrown) {
    await draft.discard();
    throw files.told('writing a file', thrown);
  }
  return files.add(draft, { ...ABOUT, ...about });
}

const kindOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fine',
    (error: unknown) => (error instanceof GatewayError ? error.kind : error),
  );

describe('a file that was sent', () => {
  test('lies under its id, whatever the client calls it, and is read from any place', async () => {
    const files = filesOf(new MemoryFiles());
    const row = await send(files, 'hello there');
    expect(row).toMatchObject({ id: expect.stringMatching(/^file-[0-9a-f]{32}$/), bytes: 11, owner: 'app', filename: '../../etc/passwd' });
    expect(filesBelow(temp.path)).toEqual([row.id]);
    expect(readFileSync(join(temp.path, row.id), 'utf8')).toBe('hello there');
    const bytes = await files.open(row.id, 'app');
    const into = Buffer.alloc(20);
    expect(await bytes.read(into, 6)).toBe(5);
    expect(into.toString('utf8', 0, 5)).toBe('there');
    expect(await bytes.read(into, 11)).toBe(0);
    await bytes.close();
  });

  test('is another’s for nobody', async () => {
    const files = filesOf(new MemoryFiles());
    const { id } = await send(files, 'mine');
    for (const asked of [files.find(id, 'other'), files.open(id, ''), files.remove(id, 'other')])
      expect(await kindOf(asked)).toBe('not_found');
    expect((await files.find(id, null)).id).toBe(id);
  });

  test('is read to its end when it is deleted meanwhile', async () => {
    const records = new MemoryFiles();
    const files = filesOf(records);
    const { id } = await send(files, 'still here');
    const bytes = await files.open(id, 'app');
    await files.remove(id, 'app');
    await clock.advance(1_000);
    await files.close();
    expect(filesBelow(temp.path)).toEqual([]);
    const into = Buffer.alloc(10);
    await bytes.read(into, 0);
    expect(into.toString()).toBe('still here');
    await bytes.close();
  });

  test('whose bytes are gone is no fault of the client’s', async () => {
    const files = filesOf(new MemoryFiles());
    const { id } = await send(files, 'gone');
    await systemDisk.remove(join(temp.path, id));
    expect(await kindOf(files.open(id, 'app'))).toBe('store_unavailable');
    expect(troubles).toEqual([expect.stringContaining('ENOENT')]);
  });

  test.each([
    ['batch', null, 2_592_000_000],
    ['batch', 3_600, 3_600_000],
    ['user_data', null, null],
    ['user_data', 7_200, 7_200_000],
  ])('for %s with %s s of its own goes after %s ms', async (purpose, expiresAfterS, afterMs) => {
    const row = await send(filesOf(new MemoryFiles()), '{}', { purpose, expiresAfterS });
    expect(row.expiresAt === null ? null : row.expiresAt - row.createdAt).toBe(afterMs);
  });
});

describe('input of a batch', () => {
  test('that is too large, or no JSONL, leaves nothing', async () => {
    const files = filesOf(new MemoryFiles());
    expect(await kindOf(send(files, `{"a":"${'x'.repeat(100)}"}`, { purpose: 'batch' }))).toBe('invalid_value');
    expect(await kindOf(send(files, 'hello', { purpose: 'batch' }))).toBe('invalid_value');
    expect(filesBelow(temp.path)).toEqual([]);
  });
});

describe('all files together', () => {
  test('have no more than they may, and what is over it leaves nothing', async () => {
    const files = filesOf(new MemoryFiles(), systemDisk, { ...SETTINGS, max_total_bytes: 10 });
    const { id } = await send(files, '12345678');
    expect(await kindOf(send(files, '123'))).toBe('storage_full');
    expect(await kindOf(files.begin(3))).toBe('storage_full');
    expect(filesBelow(temp.path)).toEqual([id]);
    await send(files, '12');
    expect(await kindOf(files.begin())).toBe('storage_full');
  });
});

describe('a disk that fails', () => {
  test.each(['ENOSPC', 'EDQUOT', 'EIO'])('at any operation with %s leaves nothing, and says which it was', async (code) => {
    for (let failAt = 0; ; failAt++) {
      const { disk, operations } = failingDisk(failAt, code);
      const records = new MemoryFiles();
      const files = filesOf(records, disk);
      const kind = await kindOf(send(files, 'hello'));
      if (operations.length <= failAt) {
        expect(kind).toBe('fine');
        expect(operations).toEqual(expect.arrayContaining(['makeFolder', 'create', 'append', 'sync', 'close', 'rename', 'syncFolder']));
        break;
      }
      const expected = code === 'EIO' ? 'store_unavailable' : 'storage_full';
      expect([failAt, operations[failAt], kind]).toEqual([failAt, operations[failAt], expected]);
      expect(filesBelow(temp.path)).toEqual([]);
      expect(await records.fileIds()).toEqual(new Set());
      expect(troubles.at(-1)).toContain(code);
    }
  });
});

describe('a store that fails', () => {
  const failing = (records: MemoryFiles, doesIt: boolean, deletes: boolean): FileRecords => ({
    ...records,
    addFile: async (row, most) => {
      if (doesIt) await records.addFile(row, most);
      throw new StoreFailed('timeout', 'no answer');
    },
    deleteFile: (id, owner, now) =>
      deletes ? records.deleteFile(id, owner, now) : Promise.reject(new StoreFailed('timeout', 'no answer')),
    uselessFiles: (now, limit) => records.uselessFiles(now, limit),
    forgetFiles: (ids) => records.forgetFiles(ids),
    fileOf: (id, owner, now) => records.fileOf(id, owner, now),
    listFiles: (...asked) => records.listFiles(...asked),
    fileIds: () => records.fileIds(),
    totalBytes: () => records.totalBytes(),
  });

  test('has not taken the file down: nothing is left', async () => {
    const files = filesOf(failing(new MemoryFiles(), false, true));
    expect(await kindOf(send(files, 'hello'))).toBe('store_unavailable');
    expect(filesBelow(temp.path)).toEqual([]);
  });

  test('has taken it down, and does not say so: it is deleted', async () => {
    const records = new MemoryFiles();
    const files = filesOf(failing(records, true, true));
    expect(await kindOf(send(files, 'hello'))).toBe('store_unavailable');
    const page = { after: null, limit: 10, order: 'asc' } as const;
    expect((await files.list(null, null, page)).rows).toEqual([]);
    expect(await records.uselessFiles(clock.wall(), 10)).toHaveLength(1);
  });

  test('answers nothing at all: the bytes stay as long as there may be a row', async () => {
    const records = new MemoryFiles();
    const files = filesOf(failing(records, true, false));
    expect(await kindOf(send(files, 'hello'))).toBe('store_unavailable');
    expect(new Set(filesBelow(temp.path))).toEqual(await records.fileIds());
  });

  test('because it is full is told as such', async () => {
    const records = new MemoryFiles();
    const files = filesOf(Object.assign(records, { addFile: () => Promise.reject(new StoreFailed('full', 'disk is full')) }));
    expect(await kindOf(send(files, 'hello'))).toBe('storage_full');
  });
});
