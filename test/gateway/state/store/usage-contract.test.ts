import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LEASE_MS } from '../../../../gateway/state/store/usage-rules.ts';
import type { Batch, Want } from '../../../../gateway/state/store/words.ts';
import { until } from '../../../support/gateway.ts';
import { inFile, type Kept, USAGE_DRIVERS } from './usage-drivers.ts';

// One contract for usage and budgets, wherever they are kept.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 29, 12);
const DAYS = { subject: 'key app', window: '2026-11-29' };

const row = (hour: number, key = 'app', model = 'm') => ({
  ...{ hour, key, model },
  ...{ requests: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 5 },
});
const batch = (number: number, more: Partial<Batch> = {}): Batch => ({ number, usage: [], spends: [], ...more });
const want = (held: number, need = 0, spare = 0, amount = 100): Want => ({
  ...{ ...DAYS, amount, held, need, spare },
  ...{ known: 0, endsAt: NOW + DAY / 2 },
});
const spend = (tokens: number) => ({ ...DAYS, tokens, endsAt: NOW + DAY / 2 });

async function exchangeIn(kept: Kept, holder: string, said: Batch, wants: readonly Want[] = [], now = NOW) {
  return (await kept.exchange({ holder, now, batch: said, wants, asksSpent: false })).grants;
}

describe.each(USAGE_DRIVERS)('usage in $name', ({ name, missing, open }) => {
  if (missing !== null) {
    test.skip(`${name}: ${missing}`, () => {});
    return;
  }
  let driver: Awaited<ReturnType<typeof open>>;
  let kept: Kept;
  const exchange = (...said: Parameters<typeof exchangeIn> extends [Kept, ...infer Rest] ? Rest : never) => exchangeIn(kept, ...said);

  beforeAll(async () => void (driver = await open()), 60_000);
  beforeEach(async () => void (kept = await driver.fresh()));
  afterAll(() => driver[Symbol.asyncDispose]());

  test('a batch is written once, however often it is sent', async () => {
    const hour = NOW / HOUR;
    const twice = batch(1, { usage: [row(hour), row(hour, 'other')], spends: [spend(15)] });
    for (let i = 0; i < 3; i++) await exchange('one', twice);
    await exchange('two', batch(1, { usage: [row(hour)] }));
    await exchange('one', batch(2, { usage: [row(hour + 1)] }));
    const app = { key: 'app', model: 'm', requests: 3, promptTokens: 30, cachedTokens: 12, completionTokens: 15 };
    expect(await kept.usage(hour, 'app')).toEqual([app]);
    expect(await kept.usage(hour + 1, null)).toEqual([{ ...app, requests: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 5 }]);
    expect(await kept.usage(hour, null)).toHaveLength(2);
    expect(await exchange('one', batch(3), [want(0)])).toEqual([{ ...DAYS, granted: 0, spent: 15 }]);
  });

  test('what is said twice in one batch counts twice', async () => {
    const hour = NOW / HOUR;
    await exchange('one', batch(1, { usage: [row(hour), row(hour)], spends: [spend(15), spend(5)] }));
    expect(await kept.usage(hour, 'app')).toMatchObject([{ requests: 2 }]);
    expect(await kept.spent(DAYS.subject, DAYS.window)).toBe(20);
  });

  test('what is handed out is together at most what is left; what others are likely to need is left to them', async () => {
    expect(await exchange('one', batch(1), [want(0, 40, 1_000)])).toEqual([{ ...DAYS, granted: 65, spent: 0 }]);
    expect(await exchange('two', batch(1), [want(0, 40)])).toEqual([{ ...DAYS, granted: 35, spent: 0 }]);
    expect(await exchange('one', batch(2, { spends: [spend(40)] }), [want(0)])).toEqual([{ ...DAYS, granted: 0, spent: 40 }]);
    expect(await exchange('two', batch(2), [want(30, 40)])).toEqual([{ ...DAYS, granted: 60, spent: 40 }]);
    expect(await kept.granted()).toBe(60);
  });

  test('what a process holds is not taken from it, and comes free when it has said nothing for a while', async () => {
    await exchange('one', batch(1), [want(0, 80)]);
    // Lowered meanwhile.
    expect(await exchange('one', batch(2), [want(80, 10, 0, 50)])).toMatchObject([{ granted: 80 }]);
    // However the clock of a process steps.
    expect(await exchange('two', batch(1), [want(0, 30)], NOW + DAY)).toMatchObject([{ granted: 20 }]);
    await kept.setTime(LEASE_MS - 1);
    expect(await exchange('two', batch(2), [want(0, 30)])).toMatchObject([{ granted: 20 }]);
    await kept.setTime(LEASE_MS);
    expect(await exchange('two', batch(3), [want(0, 30)])).toMatchObject([{ granted: 30 }]);
  });

  test('all is told that was spent in days and months that are not over, the most first', async () => {
    const month = { ...spend(7), window: '2026-11', endsAt: NOW + 3 * DAY };
    const over = { ...spend(9), window: '2026-11-28', endsAt: NOW - DAY / 2 };
    const said = { holder: 'one', now: NOW, batch: batch(1, { spends: [spend(5), month, over] }) };
    // Of a budget of which something is wanted nothing need be spent.
    const wants = [{ ...want(0, 1), subject: 'key other' }];
    const { database, spent } = await kept.exchange({ ...said, wants, asksSpent: true });
    expect(spent).toEqual([month, spend(5)]);
    expect(await kept.exchange({ ...said, wants: [], asksSpent: false })).toMatchObject({ grants: [], database, spent: null });
    expect(database).toMatch(/^[0-9a-f]{16}$/);
  });

  test('what is older than 400 days goes, and what an address spent soon after its day', async () => {
    const hour = NOW / HOUR;
    const ofAddress = { ...spend(5), subject: '10.0.0.1' };
    const usage = [row(hour - 401 * 24), row(hour - 390 * 24), row(hour)];
    await exchange('one', batch(1, { usage, spends: [spend(5), ofAddress] }));
    await until(async () => (await kept.usage(0, null))[0]?.requests === 2, 'the oldest is gone');
    expect(await kept.subjects()).toEqual(['10.0.0.1', 'key app']);
    await kept.setTime(4 * DAY);
    await exchange('two', batch(1), [], NOW + 4 * DAY);
    await exchange('one', batch(1), [], NOW + 4 * DAY + HOUR);
    await until(async () => (await kept.subjects()).length === 1, 'what the address spent is gone');
    expect(await kept.subjects()).toEqual(['key app']);
    await kept.setTime(6 * DAY);
    await exchange('three', batch(1), [], NOW + 6 * DAY);
    await until(async () => (await kept.holders()).length === 1, 'who has said nothing for a day is gone');
    expect(await kept.holders()).toEqual(['three']);
    expect(await kept.usage(0, null)).toMatchObject([{ requests: 2 }]);
  });
});

test('in a file what processes of before a restart of the machine held is free', async () => {
  const kept = inFile();
  await exchangeIn(kept, 'one', batch(1), [want(0, 80)]);
  await kept.setTime(-HOUR + 60_000);
  expect(await exchangeIn(kept, 'two', batch(1), [want(0, 90)])).toMatchObject([{ granted: 90 }]);
});

test('each file has a name of its own', async () => {
  const said = { holder: 'one', now: NOW, batch: batch(1), wants: [], asksSpent: false };
  const [one, other] = await Promise.all([inFile().exchange(said), inFile().exchange(said)]);
  expect(other.database).not.toBe(one.database);
});
