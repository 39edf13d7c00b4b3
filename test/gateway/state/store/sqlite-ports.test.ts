import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openDatabase } from '../../../../gateway/state/store/sqlite/database.ts';
import { openDesks } from '../../../../gateway/state/store/sqlite/desks.ts';
import { migrate } from '../../../../gateway/state/store/sqlite/migrations.ts';
import { sqlitePorts } from '../../../../gateway/state/store/sqlite/sqlite-ports.ts';
import { Store } from '../../../../gateway/state/store/sqlite/store.ts';
import { scratchFolder } from '../../../supervisor/support/scratch.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { until } from '../../../support/gateway.ts';
import { fileRow, holderAt, lineRows, newBatch, NOW, validBatch } from './batch-scene.ts';

test('a slice whose claim is answered too late is free again', async () => {
  const clock = createFakeClock();
  const file = join(scratchFolder(), 'headgate.db');
  const store = new Store(file, clock);
  const { batches, files } = sqlitePorts(store);
  const id = await validBatch({ batches, files }, lineRows(3));
  const holder = await holderAt({ batches, files });
  const keeper = new DatabaseSync(file, { timeout: 10_000 });
  keeper.exec('BEGIN IMMEDIATE');
  const late = batches.claimSlice(id, holder, null, NOW).catch((error: unknown) => error);
  await clock.advance(10_000);
  expect(await late).toMatchObject({ trouble: 'timeout' });
  keeper.close();
  await until(async () => (await batches.claimSlice(id, holder, null, NOW)) !== null, 'the slice can be claimed');
  await store.close();
  await expect(files.totalBytes()).rejects.toMatchObject({ trouble: 'thread' });
});

test('what a client is told is on the disk, and the file is as it was after a failure', () => {
  const file = join(scratchFolder(), 'headgate.db');
  const db = openDatabase(file);
  const desks = openDesks(db, () => 0);
  const isFull = (): unknown => db.prepare('PRAGMA synchronous').get();
  const pragmas: unknown[] = [];
  db.function('seen', () => {
    pragmas.push(isFull());
    return null;
  });
  db.exec('CREATE TEMP TRIGGER watch AFTER INSERT ON files BEGIN SELECT seen(); END');
  desks.answer({ desk: 'files', method: 'addFile', args: [fileRow(), null] });
  expect(pragmas).toEqual([{ synchronous: 2 }]);
  expect(isFull()).toEqual({ synchronous: 1 });
  db.exec("CREATE TEMP TRIGGER stop AFTER INSERT ON batches BEGIN SELECT RAISE(ABORT, 'no'); END");
  expect(() => desks.answer({ desk: 'batches', method: 'addBatch', args: [newBatch()] })).toThrow('no');
  expect(isFull()).toEqual({ synchronous: 1 });
  expect(db.isTransaction).toBe(false);
  db.close();
});

test('lists, claims and what is swept are found by indexes', () => {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const plan = (sql: string): string => JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
  const list = `SELECT id FROM files WHERE (expires_at IS NULL OR expires_at > 1) AND owner = 'a'
    AND (created_at, seq) > (1, 1) ORDER BY created_at, seq LIMIT 3`;
  expect(plan(list)).toContain('files_by_owner');
  expect(plan(list)).not.toContain('TEMP B-TREE');
  const orphans = 'UPDATE slices SET holder = NULL WHERE holder IS NOT NULL AND NOT EXISTS (SELECT 1 FROM batch_holders WHERE id = holder)';
  expect(plan(orphans)).toContain('slices_held');
  expect(plan('SELECT id FROM files WHERE expires_at <= 5 ORDER BY expires_at LIMIT 2')).toContain('files_by_end');
  expect(plan("SELECT 1 FROM batches WHERE is_open = 1 AND input_file = 'f'")).toContain('batches_open');
  db.close();
});
