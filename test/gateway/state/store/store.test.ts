import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { Store } from '../../../../gateway/state/store/sqlite/store.ts';
import type { StoreQuestion } from '../../../../gateway/state/store/words.ts';
import { scratchFolder } from '../../../supervisor/support/scratch.ts';

const HOUR = 500_000;

function exchange(number: number, holder = 'one'): StoreQuestion {
  const row = { hour: HOUR, key: 'app', model: 'm', requests: 1, promptTokens: 3, cachedTokens: 0, completionTokens: 2 };
  return { kind: 'exchange', holder, now: HOUR * 3_600_000, batch: { number, usage: [row], spends: [] }, wants: [], asksSpent: false };
}

const requests = async (store: Store): Promise<number | string> => {
  const answer = await store.ask({ kind: 'usage', fromHour: 0, key: null });
  return answer.ok ? (answer.usage[0]?.requests ?? 0) : answer.trouble;
};

test('two threads write into one file at once, and nothing of it is lost', async () => {
  const file = join(scratchFolder(), 'headgate.db');
  const stores = [new Store(file, systemClock), new Store(file, systemClock)];
  const answers = await Promise.all(
    stores.flatMap((store, i) => Array.from({ length: 40 }, (_, at) => store.ask(exchange(at + 1, `life ${i}`)))),
  );
  expect(answers.every(({ ok }) => ok)).toBe(true);
  expect(await requests(stores[0]!)).toBe(80);
  for (const store of stores) await store.close();
  expect(await requests(stores[0]!)).toBe('thread');
  const again = new Store(file, systemClock);
  expect(await requests(again)).toBe(80);
  await again.close();
});

test('a file that is broken, and one that another program keeps, are tried anew with every question', { timeout: 60_000 }, async () => {
  const file = join(scratchFolder(), 'headgate.db');
  writeFileSync(file, 'no database, but a text of some length that SQLite reads as the head of a file. '.repeat(10));
  const store = new Store(file, systemClock);
  expect(await store.ask(exchange(1))).toMatchObject({ ok: false, trouble: 'corrupt' });
  rmSync(file);
  expect(await store.ask(exchange(1))).toMatchObject({ ok: true });
  const keeper = new DatabaseSync(file);
  keeper.exec('BEGIN IMMEDIATE');
  expect(await store.ask(exchange(2))).toMatchObject({ ok: false, trouble: 'locked' });
  keeper.close();
  expect(await store.ask(exchange(2))).toMatchObject({ ok: true });
  expect(await requests(store)).toBe(2);
  await store.close();
});

test('a file that is removed, or replaced, while it is used is told of, and what comes then is written into the new one', async () => {
  const file = join(scratchFolder(), 'headgate.db');
  const store = new Store(file, systemClock);
  expect(await store.ask(exchange(1))).toMatchObject({ ok: true });
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  expect(await store.ask(exchange(2))).toMatchObject({ ok: false, trouble: 'removed' });
  expect(await store.ask(exchange(2))).toMatchObject({ ok: true });
  expect(await requests(store)).toBe(1);
  writeFileSync(`${file}.new`, '');
  renameSync(`${file}.new`, file);
  expect(await store.ask(exchange(3))).toMatchObject({ ok: false, trouble: 'removed' });
  expect(await store.ask(exchange(3))).toMatchObject({ ok: true });
  await store.close();
});
