import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Page } from '../../../../gateway/state/store/file-terms.ts';
import { fileRow, fresh, holderAt, newBatch, NOW } from './batch-scene.ts';
import { type Driver, DRIVERS } from './drivers.ts';

const ALL: Page = { after: null, limit: 100, order: 'asc' };

describe.each(DRIVERS)('files $name', ({ name, missing, open }) => {
  if (missing !== null) {
    test.skip(`${name}: ${missing}`, () => {});
    return;
  }
  let driver: Driver;
  beforeAll(async () => void (driver = await open()), 60_000);
  afterAll(() => driver[Symbol.asyncDispose]());

  test('are known to every process as they were added, and to nobody but their owner', async () => {
    const [{ files }, other] = driver.processes;
    const file = fileRow({ filename: "a 'quoted' näme\n.jsonl", expiresAt: NOW + 1, bytes: 3_000_000_000 });
    expect(await files.addFile(file, null)).toBe('added');
    expect(await files.addFile(file, null)).toBe('added');
    expect(await other.files.fileOf(file.id, 'app', NOW)).toEqual(file);
    expect(await files.fileOf(file.id, null, NOW)).toEqual(file);
    expect(await files.fileOf(file.id, 'other', NOW)).toBeNull();
    expect(await files.fileOf(file.id, 'app', NOW + 1)).toBeNull();
    await files.forgetFiles([file.id]);
  });

  test('have together no more than the limit, whoever adds them, and what is forgotten makes room', async () => {
    const before = await driver.processes[0].files.totalBytes();
    const added = Array.from({ length: 12 }, () => fileRow());
    const most = before + 500;
    const answers = await Promise.all(added.map((file, at) => driver.processes[at % 3]!.files.addFile(file, most)));
    expect(answers.filter((answer) => answer === 'added')).toHaveLength(5);
    const [{ files }] = driver.processes;
    expect(await files.totalBytes()).toBe(before + 500);
    await files.forgetFiles(added.map(({ id }) => id));
    await files.forgetFiles(added.map(({ id }) => id));
    expect(await files.totalBytes()).toBe(before);
    expect(await files.addFile(fileRow(), most)).toBe('added');
  });

  test('are listed page by page in the order of their making, in both directions', async () => {
    const [{ files }] = driver.processes;
    const owner = fresh('owner');
    const rows = Array.from({ length: 7 }, (_, at) =>
      fileRow({ owner, createdAt: NOW + Math.floor(at / 3), purpose: at === 3 ? 'vision' : 'batch' }),
    );
    for (const row of rows) await files.addFile(row, null);
    const ids = rows.map(({ id }) => id);
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      let after: string | null = null;
      for (;;) {
        const page = await files.listFiles(owner, null, { after, limit: 2, order }, NOW);
        seen.push(...page.rows.map(({ id }) => id));
        if (!page.hasMore) break;
        after = seen.at(-1)!;
      }
      expect(seen).toEqual(order === 'asc' ? ids : ids.toReversed());
    }
    expect((await files.listFiles(owner, 'vision', ALL, NOW)).rows).toEqual([rows[3]]);
    expect((await files.listFiles(null, null, { ...ALL, limit: 1_000 }, NOW)).rows.length).toBeGreaterThan(6);
    expect(await files.listFiles(owner, null, { ...ALL, after: 'nobody' }, NOW)).toEqual({ rows: [], hasMore: false, isKnown: false });
    expect(await files.listFiles(owner, null, { ...ALL, after: ids.at(-1)! }, NOW)).toEqual({ rows: [], hasMore: false, isKnown: true });
    // Whoever deletes while he lists goes on from where he was.
    await files.deleteFile(ids[2]!, owner, NOW);
    expect((await files.listFiles(owner, null, { ...ALL, after: ids[2]! }, NOW)).rows).toEqual(rows.slice(3));
  });

  test('that were deleted or have expired are useless, unless a batch that is open needs them', async () => {
    const [{ files, batches }, other] = driver.processes;
    const [deleted, expired, needed, kept] = [fileRow(), fileRow({ expiresAt: NOW }), fileRow(), fileRow()];
    for (const row of [deleted, expired, needed, kept]) await files.addFile(row, null);
    const batch = newBatch({ inputFile: needed.id });
    await batches.addBatch(batch);
    expect(await files.deleteFile(deleted.id, 'other', NOW)).toBe(false);
    expect(await files.deleteFile(deleted.id, 'app', NOW)).toBe(true);
    expect(await files.deleteFile(deleted.id, 'app', NOW)).toBe(false);
    expect(await files.deleteFile(needed.id, null, NOW)).toBe(true);
    const useless = async (): Promise<string[]> => {
      const mine = [deleted, expired, needed, kept].map(({ id }) => id);
      return (await other.files.uselessFiles(NOW, 1_000)).filter((id) => mine.includes(id)).sort();
    };
    expect(await useless()).toEqual([deleted.id, expired.id].sort());
    expect([...(await files.fileIds())]).toEqual(expect.arrayContaining([deleted.id, expired.id, needed.id, kept.id]));
    const holder = await holderAt(driver.processes[0]);
    const epoch = (await batches.claimBatch(batch.id, holder, NOW))!;
    const errors = [{ code: 'empty_file', message: 'nothing', param: null, line: null }];
    await batches.endValidation(batch.id, epoch, { total: 0, model: null, errors }, NOW);
    expect(await useless()).toEqual([deleted.id, expired.id, needed.id].sort());
    await files.forgetFiles([deleted.id, expired.id, needed.id]);
    expect(await useless()).toEqual([]);
    expect((await files.fileIds()).has(deleted.id)).toBe(false);
  });
});
