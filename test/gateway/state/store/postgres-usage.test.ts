import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import postgres from 'postgres';
import { systemClock } from '../../../../gateway/core/clock.ts';
import type { UsageRecords } from '../../../../gateway/state/store/ports.ts';
import { migrate } from '../../../../gateway/state/store/postgres/migrations.ts';
import { PostgresLink } from '../../../../gateway/state/store/postgres/link.ts';
import { placeOf } from '../../../../gateway/state/store/postgres/place.ts';
import { postgresPorts } from '../../../../gateway/state/store/postgres/postgres-ports.ts';
import { BATCH_TABLES } from '../../../../gateway/state/store/postgres/tables.ts';
import { piecesOf } from '../../../../gateway/state/store/postgres/usage/pieces.ts';
import { PostgresUsage } from '../../../../gateway/state/store/postgres/usage/postgres-usage.ts';
import { StoreFailed } from '../../../../gateway/state/store/store-failed.ts';
import type { Exchange, Exchanged, Spend, Want } from '../../../../gateway/state/store/words.ts';
import { until } from '../../../support/gateway.ts';
import { freePort } from '../../../support/ports.ts';
import { NO_POSTGRES_SERVER, type PostgresServer, startPostgresServer } from '../../../support/postgres-server.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { well } from './usage-drivers.ts';

const NOW = Date.UTC(2026, 10, 29, 12);
const HOUR = 3_600_000;
const ENDS = NOW + 12 * HOUR;
const named = (at: number) => ({ subject: `key ${at}`, window: '2026-11-29', endsAt: ENDS });
const want = (at: number, amount: number, held: number, need: number): Want => ({ ...named(at), amount, held, need, spare: 0, known: 0 });
const spend = (at: number, tokens: number): Spend => ({ ...named(at), tokens });
const row = { hour: NOW / HOUR, key: 'app', model: 'm', requests: 1, promptTokens: 3, cachedTokens: 0, completionTokens: 2 };

function saying(
  holder: string,
  number: number,
  more: Partial<Pick<Exchange, 'wants' | 'now'>> & { spends?: readonly Spend[] } = {},
): Exchange {
  const { spends = [], wants = [], now = NOW } = more;
  return { holder, now, batch: { number, usage: [row], spends }, wants, asksSpent: false };
}

test.each([
  ['postgres://user:secret@db.example/headgate', 'at db.example/headgate'],
  ['postgresql://user:secret@10.0.0.5:5433/headgate?sslmode=require', 'at 10.0.0.5:5433/headgate'],
  ['postgres://db.example/headgate?user=u&password=secret', 'at db.example/headgate'],
  ['postgres://user@[::1]:5432/headgate', 'at [::1]:5432/headgate'],
  ['postgres://user:secret@one:1,two:2/headgate', 'at one:1,two:2/headgate'],
  ['postgres://user:sec@ret/secret@db.example/headgate', 'at db.example/headgate'],
  ['postgres://user:sec?ret@db.example/headgate', 'of database.url'],
  ['postgres://user:secret', 'of database.url'],
  ['postgres://db.example/headgate?password=sec@ret', 'at db.example/headgate'],
  ['postgres:///headgate?host=/run/postgresql', 'of database.url'],
])('%s is called without what is secret', (url, place) => {
  expect(placeOf(url)).toBe(`the database ${place}`);
});

test('a server that is not there is an answer, and no rejection', async () => {
  const port = await freePort();
  const ports = postgresPorts(`postgres://nobody:secret@127.0.0.1:${port}/none`, systemClock);
  expect(ports.usage.place).toBe(`the database at 127.0.0.1:${port}/none`);
  expect(await ports.usage.exchange(saying('one', 1))).toMatchObject({ ok: false, trouble: 'unreachable' });
  await ports.close();
  expect(await ports.usage.usage(0, null)).toMatchObject({ ok: false, trouble: 'unreachable' });
});

test('an exchange of any size is cut into pieces, of which the last ones ask', () => {
  const { batch } = saying('one', 1);
  const of = (usage: number, spends: number, wants: number) =>
    piecesOf(
      {
        batch: {
          ...batch,
          usage: Array.from({ length: usage }, () => row),
          spends: Array.from({ length: spends }, (_, at) => spend(at, 1)),
        },
        wants: Array.from({ length: wants }, (_, at) => want(at, 1, 0, 0)),
      },
      10,
    ).map((piece) => [piece.number, piece.usage.length, piece.spends.length, piece.wants.length]);
  expect(of(0, 0, 0)).toEqual([[1, 0, 0, 0]]);
  expect(of(10, 3, 10)).toEqual([[1, 10, 3, 10]]);
  expect(of(11, 25, 12)).toEqual([
    [1, 10, 10, 0],
    [2, 1, 10, 0],
    [3, 0, 5, 10],
    [4, 0, 0, 2],
  ]);
});

describe.skipIf(NO_POSTGRES_SERVER !== null)(`a PostgreSQL${NO_POSTGRES_SERVER === null ? '' : ` (${NO_POSTGRES_SERVER})`}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await startPostgresServer()), 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  /** Gateways on so many machines. */
  async function open(name: string, machines: number) {
    const url = await server.database(name);
    const all = Array.from({ length: machines }, () => postgresPorts(url, systemClock));
    return {
      url,
      usage: all.map((ports) => ports.usage),
      /** One more. */
      join() {
        const ports = postgresPorts(url, systemClock);
        all.push(ports);
        return ports.usage;
      },
      async [Symbol.asyncDispose]() {
        for (const ports of all) await ports.close();
      },
    };
  }

  const requests = async (records: UsageRecords): Promise<number> => well(await records.usage(0, 'app'))[0]?.requests ?? 0;

  test('hands out no more than there is to many who ask at once, in whatever order, and none of them waits in a circle', async () => {
    await using scene = await open('crowd', 4);
    const { next: random } = seededRandom(7);
    const [BUDGETS, AMOUNT, HOLDERS, ROUNDS] = [12, 500, 12, 15];
    const held = new Map<string, number>();
    const spent = new Map<number, number>();
    /** What each holder was granted, by budget: never more together, at any moment, than is left. */
    const check = (): void => {
      for (let at = 0; at < BUDGETS; at++) {
        let all = spent.get(at) ?? 0;
        for (let holder = 0; holder < HOLDERS; holder++) all += held.get(`${holder} ${at}`) ?? 0;
        expect(all).toBeLessThanOrEqual(AMOUNT);
      }
    };
    const live = async (holder: number): Promise<void> => {
      for (let number = 1; number <= ROUNDS; number++) {
        const some = Array.from({ length: BUDGETS }, (_, at) => at)
          .filter(() => random() < 0.6)
          .toSorted(() => random() - 0.5);
        const mine = (at: number): number => held.get(`${holder} ${at}`) ?? 0;
        const used = new Map(some.map((at) => [at, Math.floor(mine(at) * random() * 0.3)]));
        const kept = new Map(some.map((at) => [at, Math.floor((mine(at) - used.get(at)!) * random())]));
        for (const at of some) {
          spent.set(at, (spent.get(at) ?? 0) + used.get(at)!);
          // Until it has heard it may use what it kept alone.
          held.set(`${holder} ${at}`, kept.get(at)!);
        }
        const wants = some.map((at) => want(at, AMOUNT, kept.get(at)!, Math.floor(random() * 80)));
        const spends = some.flatMap((at) => (used.get(at)! > 0 ? [spend(at, used.get(at)!)] : [])).toReversed();
        const { grants } = well(await scene.usage[holder % 4]!.exchange(saying(`life ${holder}`, number, { wants, spends })));
        for (const [i, { granted }] of grants.entries()) held.set(`${holder} ${some[i]!}`, granted);
        check();
      }
    };
    await Promise.all(Array.from({ length: HOLDERS }, (_, holder) => live(holder)));
    const { grants } = well(
      await scene.usage[0]!.exchange(saying('looks', 1, { wants: Array.from({ length: BUDGETS }, (_, at) => want(at, AMOUNT, 0, 0)) })),
    );
    expect(grants.map((grant) => grant.spent)).toEqual(Array.from({ length: BUDGETS }, (_, at) => spent.get(at) ?? 0));
    expect([...spent.values()].every((tokens) => tokens > 0)).toBe(true);
    expect(await requests(scene.usage[1]!)).toBe(HOLDERS * ROUNDS + 1);
  });

  test('counts a batch once that is sent several times at the same moment, and tells how many use it', async () => {
    await using scene = await open('twice', 3);
    const said = saying('one', 1, { spends: [spend(0, 7)] });
    await Promise.all([...scene.usage, ...scene.usage].map((records) => records.exchange(said)));
    expect(await requests(scene.usage[0]!)).toBe(1);
    const { grants, processes } = well(await scene.usage[2]!.exchange(saying('two', 1, { wants: [want(0, 100, 0, 0)] })));
    expect([grants[0]!.spent, processes]).toEqual([7, 2]);
  });

  test('holds to that also where it takes another isolation for its default', async () => {
    await using scene = await open('strict', 3);
    server.sql(scene.url, "ALTER DATABASE strict SET default_transaction_isolation = 'repeatable read'");
    const grants = await Promise.all(
      Array.from({ length: 9 }, (_, i) => scene.usage[i % 3]!.exchange(saying(`life ${i}`, 1, { wants: [want(0, 100, 0, 30)] }))),
    );
    expect(grants.map((answer) => well(answer).grants[0]!.granted).reduce((sum, each) => sum + each)).toBe(100);
  });

  test('has one name for all, for as long as it is there', { timeout: 60_000 }, async () => {
    await using scene = await open('named', 2);
    await using other = await open('another', 1);
    const nameOf = async (records: UsageRecords, holder: string) => well(await records.exchange(saying(holder, 1))).database;
    const name = await nameOf(scene.usage[0]!, 'one');
    expect(await nameOf(scene.usage[1]!, 'two')).toBe(name);
    expect(await nameOf(other.usage[0]!, 'one')).not.toBe(name);
    await server.stop();
    await server.start();
    await until(async () => (await nameOf(scene.join(), 'three').catch(() => '')) === name, 'it has its name again');
  });

  test('that is killed while it writes has in the end each batch once', { timeout: 120_000 }, async () => {
    await using scene = await open('killed', 3);
    let isOver = false;
    const written = await Promise.all([
      ...scene.usage.map(async (records, i) => {
        let number = 0;
        let failures = 0;
        while (!isOver || number === 0) {
          number += 1;
          // The same, until somebody says that it is there.
          const isThere = async (): Promise<boolean> => {
            const answer = await records.exchange(saying(`life ${i}`, number, { spends: [spend(0, 3), spend(1, 1)] }));
            if ('trouble' in answer) failures += 1;
            return !('trouble' in answer);
          };
          await until(isThere, 'it is written', 30_000);
        }
        return { number, failures };
      }),
      (async () => {
        const all = scene.usage[0]!;
        for (let i = 0; i < 3; i++) {
          const before = await requests(all);
          await until(async () => (await requests(all).catch(() => 0)) > before + 5, 'they write', 30_000);
          await server.stop();
          await server.start();
          await until(async () => (await requests(all).catch(() => 0)) > 0, 'it is back', 30_000);
        }
        isOver = true;
        return { number: 0, failures: 0 };
      })(),
    ]);
    const batches = written.reduce((sum, { number }) => sum + number, 0);
    expect(written.reduce((sum, { failures }) => sum + failures, 0)).toBeGreaterThan(0);
    expect(await requests(scene.usage[0]!)).toBe(batches);
    const { grants } = well(await scene.usage[0]!.exchange(saying('looks', 1, { wants: [want(0, 1, 0, 0), want(1, 1, 0, 0)] })));
    expect(grants.map(({ spent }) => spent)).toEqual([3 * batches, batches]);
  });

  test('counts each piece of a great batch once, though it fails in the middle', { timeout: 60_000 }, async () => {
    await using scene = await open('pieces', 1);
    const link = new PostgresLink(scene.url, systemClock);
    let asked = 0;
    const failing = {
      ask: (act: Parameters<PostgresLink['ask']>[0]) => link.ask(act),
      // What happens is not always heard of.
      async together(act: Parameters<PostgresLink['together']>[0]) {
        asked += 1;
        if (asked === 2) throw new StoreFailed('timeout', 'no');
        const result = await link.together(act);
        if (asked === 4) throw new StoreFailed('timeout', 'no');
        return result;
      },
    };
    const records = new PostgresUsage(failing as unknown as PostgresLink, 'the database', systemClock);
    const SIZE = 11_000;
    const usage = Array.from({ length: 6_000 }, (_, i) => ({ ...row, key: `app-${i}` }));
    const spends = Array.from({ length: SIZE }, (_, at) => spend(at, 3));
    const wants = Array.from({ length: SIZE }, (_, at) => want(at, 100, 0, at % 90));
    const said: Exchange = { holder: 'one', now: NOW, batch: { number: 1, usage, spends }, wants, asksSpent: false };
    expect(await records.exchange(said)).toMatchObject({ trouble: 'timeout' });
    expect(await records.exchange(said)).toMatchObject({ trouble: 'timeout' });
    const { grants } = well(await records.exchange(said));
    expect(grants).toEqual(wants.map(({ subject, window, need }) => ({ subject, window, granted: need, spent: 3 })));
    const written = well(await records.usage(0, null));
    expect([written.length, written.every((sum) => sum.requests === 1)]).toEqual([6_000, true]);
    await link.close();
  });

  test('that was away for longer than a lease leaves to those who come back what they hold, and after one more to nobody', async () => {
    await using scene = await open('silent', 2);
    const asked = async (records: UsageRecords, holder: string, number: number, wants: Want): Promise<Exchanged> =>
      well(await records.exchange(saying(holder, number, { wants: [wants] })));
    expect((await asked(scene.usage[0]!, 'one', 1, want(0, 100, 0, 80))).grants).toMatchObject([{ granted: 80 }]);
    expect((await asked(scene.usage[1]!, 'dead', 1, want(0, 100, 0, 15))).grants).toMatchObject([{ granted: 15 }]);
    const pass = (seconds: number, who: string): void =>
      void server.sql(scene.url, `UPDATE headgate.usage_holders SET seen_at = seen_at - interval '${seconds} s' WHERE id LIKE '${who}'`);
    pass(300, '%');
    const late = scene.join();
    expect((await asked(late, 'two', 1, want(0, 100, 0, 50))).grants).toMatchObject([{ granted: 5 }]);
    expect((await asked(scene.usage[0]!, 'one', 2, want(0, 100, 80, 0))).grants).toMatchObject([{ granted: 80 }]);
    pass(16, 'dead');
    const { grants, processes } = await asked(late, 'two', 2, want(0, 100, 5, 50));
    expect([grants[0]!.granted, processes]).toEqual([20, 2]);
  });

  test('loses nothing to a gateway whose clock is years ahead', async () => {
    await using scene = await open('ahead', 2);
    const now = systemClock.wall();
    const old = { ...row, hour: Math.floor(now / HOUR) - 399 * 24 };
    const said = saying('one', 1, { now });
    await scene.usage[0]!.exchange({ ...said, batch: { ...said.batch, usage: [old, { ...old, hour: old.hour - 48 }] } });
    await until(async () => (await requests(scene.usage[0]!)) === 1, 'what is too old is gone');
    await scene.usage[1]!.exchange(saying('two', 1, { now: now + 3 * 365 * 24 * HOUR }));
    // What one says after the other it does after the other, but for what it does with time.
    await scene.join().exchange(saying('three', 1, { now: now + 3 * 365 * 24 * HOUR }));
    expect(await requests(scene.usage[0]!)).toBe(3);
  });

  test('of the version before gets what is missing, and keeps what it has', async () => {
    const url = await server.database('before');
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await migrate(sql, [BATCH_TABLES]);
    await sql`UPDATE headgate.files_total SET bytes = 7`;
    await sql.end({ timeout: 1 });
    const ports = postgresPorts(url, systemClock);
    expect(await requests(ports.usage)).toBe(0);
    expect(await ports.files.totalBytes()).toBe(7);
    await ports.close();
  });
});
