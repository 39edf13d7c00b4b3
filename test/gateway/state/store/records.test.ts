import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { migrate } from '../../../../gateway/state/store/sqlite/migrations.ts';
import { LEASE_MS, Records } from '../../../../gateway/state/store/sqlite/records.ts';
import type { Batch, Want } from '../../../../gateway/state/store/words.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** How long the machine has been up. */
const UP = 5 * HOUR;
const NOW = Date.UTC(2026, 10, 29, 12);

function scene() {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const records = new Records(db);
  const row = (hour: number, key = 'app', model = 'm') => ({
    ...{ hour, key, model },
    ...{ requests: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 5 },
  });
  const batch = (number: number, more: Partial<Batch> = {}): Batch => ({ number, usage: [], spends: [], ...more });
  const exchange = (holder: string, said: Batch, wants: readonly Want[] = [], now = NOW, uptime = UP) =>
    records.exchange({ holder, now, batch: said, wants, asksSpent: false }, uptime).grants;
  return { db, records, row, batch, exchange };
}

const DAYS = { subject: 'key app', window: '2026-11-29' };
const want = (held: number, need = 0, spare = 0, amount = 100): Want => ({
  ...DAYS,
  amount,
  held,
  need,
  spare,
  known: 0,
  endsAt: NOW + DAY / 2,
});
const spend = (tokens: number) => ({ ...DAYS, tokens, endsAt: NOW + DAY / 2 });

test('a batch is written once, however often it is sent', () => {
  const { records, row, batch, exchange } = scene();
  const hour = NOW / HOUR;
  for (let i = 0; i < 3; i++) exchange('one', batch(1, { usage: [row(hour), row(hour, 'other')], spends: [spend(15)] }));
  exchange('two', batch(1, { usage: [row(hour)] }));
  exchange('one', batch(2, { usage: [row(hour + 1)] }));
  const app = { key: 'app', model: 'm', requests: 3, promptTokens: 30, cachedTokens: 12, completionTokens: 15 };
  expect(records.usage(hour, 'app')).toEqual([app]);
  expect(records.usage(hour + 1, null)).toEqual([{ ...app, requests: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 5 }]);
  expect(records.usage(hour, null)).toHaveLength(2);
  expect(exchange('one', batch(3), [want(0)])).toEqual([{ ...DAYS, granted: 0, spent: 15 }]);
});

test('what is handed out is together at most what is left; what others are likely to need is left to them', () => {
  const { batch, exchange } = scene();
  expect(exchange('one', batch(1), [want(0, 40, 1_000)])).toEqual([{ ...DAYS, granted: 65, spent: 0 }]);
  expect(exchange('two', batch(1), [want(0, 40)])).toEqual([{ ...DAYS, granted: 35, spent: 0 }]);
  expect(exchange('one', batch(2, { spends: [spend(40)] }), [want(0)])).toEqual([{ ...DAYS, granted: 0, spent: 40 }]);
  expect(exchange('two', batch(2), [want(30, 40)])).toEqual([{ ...DAYS, granted: 60, spent: 40 }]);
});

test('what a process holds is not taken from it, and comes free when it has said nothing for a while', () => {
  const { batch, exchange } = scene();
  exchange('one', batch(1), [want(0, 80)]);
  // Lowered meanwhile.
  expect(exchange('one', batch(2), [want(80, 10, 0, 50)])).toMatchObject([{ granted: 80 }]);
  // However the clock steps.
  expect(exchange('two', batch(1), [want(0, 30)], NOW + DAY)).toMatchObject([{ granted: 20 }]);
  expect(exchange('two', batch(2), [want(0, 30)], NOW, UP + LEASE_MS)).toMatchObject([{ granted: 30 }]);
});

test('what processes of before a restart of the machine held is free', () => {
  const { batch, exchange } = scene();
  exchange('one', batch(1), [want(0, 80)], NOW, UP);
  expect(exchange('two', batch(1), [want(0, 90)], NOW, 60_000)).toMatchObject([{ granted: 90 }]);
});

test('a file has a name of its own, and tells all that was spent in days and months that are not over', () => {
  const { records, batch } = scene();
  const month = { ...spend(7), window: '2026-11', endsAt: NOW + 3 * DAY };
  const over = { ...spend(9), window: '2026-11-28', endsAt: NOW - DAY / 2 };
  const said = { holder: 'one', now: NOW, batch: batch(1, { spends: [spend(5), month, over] }), wants: [] };
  const { database, spent } = records.exchange({ ...said, asksSpent: true }, UP);
  expect(spent).toEqual([month, spend(5)]);
  expect(records.exchange({ ...said, asksSpent: false }, UP)).toEqual({ grants: [], database, spent: null });
  expect(database).toMatch(/^[0-9a-f]{16}$/);
  expect(scene().records.exchange({ ...said, asksSpent: false }, UP).database).not.toBe(database);
});

test('what is older than 400 days goes, and what an address spent soon after its day', () => {
  const { db, records, row, batch, exchange } = scene();
  const hour = NOW / HOUR;
  const ofAddress = { ...spend(5), subject: '10.0.0.1' };
  exchange('one', batch(1, { usage: [row(hour - 401 * 24), row(hour - 390 * 24), row(hour)], spends: [spend(5), ofAddress] }));
  exchange('two', batch(1), [], NOW + 3 * DAY);
  expect(records.usage(0, null)).toMatchObject([{ requests: 2 }]);
  const later = new Records(db);
  later.exchange({ holder: 'two', now: NOW + 4 * DAY, batch: batch(2), wants: [], asksSpent: false }, UP + 2 * DAY);
  expect(db.prepare('SELECT subject FROM spent').all()).toEqual([{ subject: 'key app' }]);
  expect(db.prepare('SELECT id FROM holders').all()).toEqual([{ id: 'two' }]);
});
