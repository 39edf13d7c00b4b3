import { DatabaseSync } from 'node:sqlite';
import postgres from 'postgres';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { PostgresLink } from '../../../../gateway/state/store/postgres/link.ts';
import { PostgresUsage } from '../../../../gateway/state/store/postgres/usage/postgres-usage.ts';
import { migrate } from '../../../../gateway/state/store/sqlite/migrations.ts';
import { Records } from '../../../../gateway/state/store/sqlite/records.ts';
import type { Exchange, Exchanged, StoreFailure, UsageSum } from '../../../../gateway/state/store/words.ts';
import { NO_POSTGRES_SERVER, startPostgresServer } from '../../../support/postgres-server.ts';

const LINKS = 3;
const TEST_TIME = '(SELECT at FROM test_clock)';
const HOUR_MS = 3_600_000;
const NOTHING = { number: 1, usage: [], spends: [] };

/** Usage and budgets as several processes keep them, all of which may be asked at once, with a clock that a test sets. */
export interface Kept {
  exchange(said: Exchange): Promise<Exchanged>;
  usage(fromHour: number, key: string | null): Promise<readonly UsageSum[]>;
  /** Leases are by it: wall-clock ms of a server, and of a machine since it was started, from a while on. */
  setTime(at: number): Promise<void>;
  /** It has said nothing for longer than its lease. */
  forget(holder: string): Promise<void>;
  spent(subject: string, window: string): Promise<number>;
  /** What all are granted together, the dead as well. */
  granted(): Promise<number>;
  /** Whose budgets it knows, and which processes. */
  subjects(): Promise<readonly string[]>;
  holders(): Promise<readonly string[]>;
}

interface UsageDriver extends AsyncDisposable {
  /** As if nothing had ever been used; the one before is gone. */
  fresh(): Promise<Kept>;
}

export interface UsageDriverKind {
  readonly name: string;
  readonly missing: string | null;
  open(): Promise<UsageDriver>;
}

const IN_A_FILE: UsageDriverKind = {
  name: 'a file',
  missing: null,
  open: () => Promise.resolve({ fresh: () => Promise.resolve(inFile()), [Symbol.asyncDispose]: () => Promise.resolve() }),
};
export const IN_POSTGRES: UsageDriverKind = { name: 'a PostgreSQL', missing: NO_POSTGRES_SERVER, open: openPostgres };
export const USAGE_DRIVERS: readonly UsageDriverKind[] = [IN_A_FILE, IN_POSTGRES];

export function inFile(): Kept {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const records = new Records(db);
  let uptime = HOUR_MS;
  const column = (sql: string, ...values: readonly string[]): unknown[] =>
    db
      .prepare(sql)
      .all(...values)
      .map((row) => Object.values(row)[0]);
  return {
    exchange: (said) => Promise.resolve(records.exchange(said, uptime)),
    usage: (fromHour, key) => Promise.resolve(records.usage(fromHour, key)),
    setTime: (at) => Promise.resolve(void (uptime = HOUR_MS + at)),
    forget: (holder) => Promise.resolve(void db.prepare('DELETE FROM holders WHERE id = ?').run(holder)),
    spent: (subject, window) =>
      Promise.resolve(Number(column('SELECT tokens FROM spent WHERE subject = ? AND window = ?', subject, window)[0] ?? 0)),
    granted: () => Promise.resolve(Number(column('SELECT SUM(tokens) FROM grants')[0] ?? 0)),
    subjects: () => Promise.resolve(column('SELECT subject FROM spent ORDER BY subject') as string[]),
    holders: () => Promise.resolve(column('SELECT id FROM holders ORDER BY id') as string[]),
  };
}

/** Rows, not tables: what a history before has left under way needs these in an order of its own. */
async function emptied(client: postgres.Sql): Promise<void> {
  for (const table of ['usage_holders', 'grants', 'spent', 'usage']) await client`DELETE FROM ${client(table)}`;
}

async function openPostgres(): Promise<UsageDriver> {
  const server = await startPostgresServer();
  const url = await server.database('usage');
  const links = Array.from({ length: LINKS }, () => new PostgresLink(url, systemClock));
  await links[0]!.ask((sql) => sql`CREATE TABLE test_clock AS SELECT clock_timestamp() AS at`);
  const client = postgres(url, { max: 1, connection: { search_path: 'headgate' } });
  return {
    async fresh() {
      await emptied(client);
      const setTime = async (at: number): Promise<void> => {
        await client`UPDATE test_clock SET at = '2026-11-29T12:00:00Z'::timestamptz + ${at} * interval '1 millisecond'`;
      };
      await setTime(0);
      const all = links.map((link) => new PostgresUsage(link, 'the database', { now: () => 0 }, TEST_TIME));
      // Who comes for the first time leaves it to those of before a long silence to say that they live.
      for (const machine of all) await machine.exchange({ holder: 'first', now: 0, batch: NOTHING, wants: [], asksSpent: false });
      await client`DELETE FROM usage_holders`;
      // Each process is on a machine of its own.
      const machines = new Map<string, PostgresUsage>();
      return {
        async exchange(said) {
          const machine = machines.get(said.holder) ?? all[machines.size % LINKS]!;
          machines.set(said.holder, machine);
          return well(await machine.exchange(said));
        },
        usage: async (fromHour, key) => well(await all[0]!.usage(fromHour, key)),
        setTime,
        async forget(holder) {
          await client`DELETE FROM usage_holders WHERE id = ${holder}`;
        },
        async spent(subject, window) {
          return Number((await client`SELECT tokens FROM spent WHERE subject = ${subject} AND period = ${window}`)[0]?.['tokens'] ?? 0);
        },
        granted: async () => Number((await client`SELECT sum(tokens) AS tokens FROM grants`)[0]?.['tokens'] ?? 0),
        subjects: async () => (await client<{ subject: string }[]>`SELECT subject FROM spent ORDER BY 1`).map(({ subject }) => subject),
        holders: async () => (await client<{ id: string }[]>`SELECT id FROM usage_holders ORDER BY 1`).map(({ id }) => id),
      };
    },
    async [Symbol.asyncDispose]() {
      for (const link of links) await link.close();
      await client.end({ timeout: 1 });
      await server[Symbol.asyncDispose]();
    },
  };
}

export function well<T extends object>(answer: T | StoreFailure): T {
  if ('trouble' in answer) throw new Error(`${answer.trouble}: ${answer.message}`);
  return answer;
}
