import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Grant, Want } from '../../../gateway/core/budget-terms.ts';
import { Presence } from '../../../gateway/state/presence.ts';
import type { StoreLink } from '../../../gateway/state/store-link.ts';
import { NO_REDIS_SERVER } from '../../support/redis-server.ts';
import { type BudgetServer, openBudgetServer } from './budget-drivers.ts';

const NAME = { subject: 'key app', window: '2026-11-29' };
const ENDS_AT = 86_400_000;

const want = (held: number, need: number, known = 0): Want => ({ ...NAME, amount: 100, held, need, spare: 0, known, endsAt: ENDS_AT });
const here = (spent: number): Grant => ({ ...NAME, granted: 0, spent });

describe.skipIf(NO_REDIS_SERVER !== null)(`a budget of several machines${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  let server: BudgetServer;

  beforeAll(async () => {
    server = await openBudgetServer();
    await server.setTime(0);
  });
  afterAll(() => server[Symbol.asyncDispose]());
  afterEach(() => server.forget());

  test('is not changed by a question that comes after a later one', async () => {
    const late: (() => Promise<unknown>)[] = [];
    let isLate = true;
    const run: StoreLink['run'] = (script, keys, args) => {
      if (!isLate) return server.link.run(script, keys, args);
      late.push(() => server.link.run(script, keys, args));
      return Promise.resolve(null);
    };
    const one = server.budgets('one', { link: { isUp: true, nextTryMs: 0, run } });
    expect(await one.share('a', [want(0, 10)], [here(0)])).toEqual([]);
    isLate = false;
    expect(await one.share('a', [want(0, 90)], [here(0)])).toMatchObject([{ granted: 90 }]);
    expect(await late[0]!()).toEqual({ granted: 90, spent: 0 });
    const other = server.budgets('other');
    expect(await other.share('b', [want(0, 50)], [here(0)])).toMatchObject([{ granted: 10 }]);
  });

  test('is known again after a loss of data by anybody who knew, and exactly when all have told', async () => {
    const [one, other] = [server.budgets('one'), server.budgets('other')];
    await one.share('a', [want(0, 0)], [here(60)]);
    expect(await other.share('b', [want(0, 0)], [here(15)])).toMatchObject([{ spent: 75 }]);
    await server.forget();
    expect(await other.share('b', [want(0, 40, 75)], [here(15)])).toMatchObject([{ granted: 25, spent: 75 }]);
    expect(await server.budgets('third').share('c', [want(0, 0)], [here(0)])).toMatchObject([{ spent: 75 }]);
    await one.tellAll('a', [{ ...NAME, tokens: 62, endsAt: ENDS_AT }]);
    expect(await other.share('b', [want(0, 40, 75)], [here(15)])).toMatchObject([{ granted: 23, spent: 77 }]);
    // However often it is told, and by whichever process of the machine, and though an older word comes later.
    await server.budgets('first').tellAll('a', [{ ...NAME, tokens: 61, endsAt: ENDS_AT }]);
    expect(await other.share('b', [want(0, 40, 75)], [here(15)])).toMatchObject([{ granted: 23, spent: 77 }]);
  });

  test('is asked for by a gateway that was forgotten only when others have had time to tell what they hold; it tells its own', async () => {
    let isUnsure = true;
    const presence = { storeLife: 1, isUnsure: () => isUnsure };
    const one = server.budgets('one', { presence });
    expect(one.isAway).toBe(true);
    expect(await one.share('a', [want(30, 20)], [here(10)])).toEqual([]);
    const other = server.budgets('other');
    expect(await other.share('b', [want(0, 90)], [here(0)])).toMatchObject([{ granted: 60, spent: 10 }]);
    isUnsure = false;
    expect(one.isAway).toBe(false);
    expect(await one.share('a', [want(30, 20)], [here(10)])).toMatchObject([{ granted: 30 }]);
  });

  test('is told in full once in each life of the store, and again where that did not work', async () => {
    const life = { storeLife: 1, isUnsure: () => false };
    const link = { isUp: true, nextTryMs: 0, run: server.link.run.bind(server.link) as StoreLink['run'] };
    const one = server.budgets('one', { presence: life, link });
    const all = Array.from({ length: 250 }, (_, i) => ({ ...NAME, subject: `key ${i}`, tokens: i, endsAt: ENDS_AT }));
    expect(one.isBlank).toBe(true);
    const telling = one.tellAll('a', all);
    expect(one.isBlank).toBe(false);
    await telling;
    expect(one.isBlank).toBe(false);
    const [last] = await server.budgets('other').share('b', [{ ...want(0, 0), subject: 'key 249' }], [here(0)]);
    expect(last).toMatchObject({ spent: 249 });
    life.storeLife = 2;
    expect(one.isBlank).toBe(true);
    let asked = 0;
    link.run = () => {
      asked += 1;
      return Promise.resolve(null);
    };
    await one.tellAll('a', all);
    // Of a store that does not answer nobody asks the rest.
    expect([asked, one.isBlank]).toEqual([100, true]);
    link.isUp = false;
    expect([one.isBlank, one.isAway]).toEqual([false, true]);
    expect(await one.share('a', [want(0, 1)], [here(0)])).toEqual([]);
    expect(asked).toBe(100);
  });
});

describe('a gateway', () => {
  test('knows how many there are, and waits for the others where all of them may have been forgotten', () => {
    const presence = new Presence();
    expect(presence.gateways).toBeNull();
    presence.heard(1, true, true, 0);
    expect([presence.gateways, presence.storeLife, presence.isUnsure(0)]).toEqual([1, 1, false]);
    presence.heard(3, false, false, 5_000);
    expect([presence.gateways, presence.storeLife]).toEqual([3, 1]);
    // A connection was lost, and nothing else.
    presence.heard(3, true, false, 6_000);
    expect([presence.storeLife, presence.isUnsure(6_000)]).toEqual([2, false]);
    presence.heard(1, true, true, 10_000);
    expect([presence.gateways, presence.storeLife, presence.isUnsure(10_000)]).toEqual([3, 3, true]);
    presence.heard(2, false, false, 15_000);
    expect(presence.gateways).toBe(3);
    presence.heard(2, false, false, 20_000);
    expect([presence.gateways, presence.storeLife, presence.isUnsure(20_000)]).toEqual([2, 3, false]);
  });

  test('that has always been alone waits for nobody', () => {
    const presence = new Presence();
    presence.heard(1, true, true, 0);
    presence.heard(1, true, true, 10_000);
    expect([presence.storeLife, presence.isUnsure(10_000)]).toEqual([2, false]);
  });
});
