import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { migrate, NewerSchema } from '../../../../gateway/state/store/postgres/migrations.ts';
import { PostgresLink } from '../../../../gateway/state/store/postgres/link.ts';
import { type PostgresPorts, postgresPorts } from '../../../../gateway/state/store/postgres/postgres-ports.ts';
import { failureOf } from '../../../../gateway/state/store/postgres/trouble.ts';
import { until } from '../../../support/gateway.ts';
import { freePort } from '../../../support/ports.ts';
import { NO_POSTGRES_SERVER, type PostgresServer, startPostgresServer } from '../../../support/postgres-server.ts';
import { fresh, lineRows, newBatch, validBatch } from './batch-scene.ts';

test.each([
  ['28P01', 'auth'],
  ['3D000', 'auth'],
  ['42501', 'auth'],
  ['57014', 'timeout'],
  ['57P01', 'unreachable'],
  ['53100', 'full'],
  ['25006', 'unwritable'],
  ['ECONNREFUSED', 'unreachable'],
  ['CONNECT_TIMEOUT', 'unreachable'],
  ['42P01', 'error'],
])('%s is told as %s', (code, trouble) => {
  expect(failureOf(Object.assign(new Error('no'), { code }))).toEqual({ trouble, message: 'no' });
});

test('a server that is not there is told as unreachable, as often as it is asked', async () => {
  const ports = postgresPorts(`postgres://nobody:secret@127.0.0.1:${await freePort()}/none`, systemClock);
  for (let i = 0; i < 3; i++) {
    const failed = await ports.batches.openBatches().catch((error: unknown) => error);
    expect(failed).toMatchObject({ trouble: 'unreachable' });
    expect(String(failed)).not.toContain('secret');
  }
  await ports.close();
  await expect(ports.batches.openBatches()).rejects.toMatchObject({ trouble: 'unreachable' });
});

describe.skipIf(NO_POSTGRES_SERVER !== null)(`a PostgreSQL${NO_POSTGRES_SERVER === null ? '' : ` (${NO_POSTGRES_SERVER})`}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await startPostgresServer()), 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  async function withClient<T>(url: string, act: (sql: Sql) => Promise<T>): Promise<T> {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      return await act(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  test('gets its schema from whoever comes first, though several come at once, and keeps what a newer one has', async () => {
    const url = await server.database('together');
    const all = Array.from({ length: 5 }, () => postgresPorts(url, systemClock));
    const batch = newBatch();
    await Promise.all(all.map(({ batches }) => batches.addBatch(batch)));
    expect(await all[0]!.batches.openBatches()).toHaveLength(1);
    await Promise.all(all.map((ports) => ports.close()));
    const version = server.sql(url, 'SELECT version FROM headgate.form');
    server.sql(url, 'UPDATE headgate.form SET version = 99');
    const older = postgresPorts(url, systemClock);
    const failed = await older.batches.openBatches().catch((error: unknown) => error);
    expect(failed).toMatchObject({ trouble: 'newer', message: expect.stringContaining('99') as unknown });
    server.sql(url, `UPDATE headgate.form SET version = ${version}`);
    expect(await older.batches.openBatches()).toHaveLength(1);
    await older.close();
  });

  test('is brought from any version to the newest as a whole or not at all', async () => {
    const url = await server.database('steps');
    const steps = ['CREATE TABLE headgate.a (x integer)', 'ALTER TABLE headgate.a ADD COLUMN y integer DEFAULT 7'];
    await withClient(url, async (sql) => {
      await migrate(sql, steps.slice(0, 1));
      await sql`INSERT INTO headgate.a VALUES (1)`;
      await expect(migrate(sql, [...steps, 'CREATE NONSENSE'])).rejects.toThrow('NONSENSE');
      await Promise.all([migrate(sql, steps), withClient(url, (other) => migrate(other, steps))]);
      expect(await sql`SELECT * FROM headgate.a`).toEqual([{ x: 1, y: 7 }]);
      await expect(migrate(sql, steps.slice(0, 1))).rejects.toThrow(NewerSchema);
    });
  });

  test('is asked again by itself when it was away, and tells of work again', { timeout: 60_000 }, async () => {
    const url = await server.database('away');
    const ports: PostgresPorts = postgresPorts(url, systemClock);
    const other = postgresPorts(url, systemClock);
    let heard = 0;
    ports.batches.onWork(() => (heard += 1));
    const isHeard = async (): Promise<void> => {
      heard = 0;
      await until(async () => {
        await other.batches.addBatch(newBatch()).catch(() => {});
        return heard > 0;
      }, 'it is heard');
    };
    await ports.batches.openBatches();
    await isHeard();
    await server.stop();
    await expect(ports.batches.openBatches()).rejects.toMatchObject({ trouble: 'unreachable' });
    await server.start();
    await until(async () => (await ports.batches.openBatches().catch(() => [])).length > 0, 'it is back');
    await isHeard();
    await ports.close();
    await other.close();
  });

  test('that stands still is a failure after a while, and no claim of then is kept for ever', { timeout: 60_000 }, async () => {
    const url = await server.database('still');
    const ports = postgresPorts(url, systemClock);
    const id = await validBatch(ports, lineRows(3));
    const holder = { id: fresh('life'), process: null };
    await ports.batches.holdOn(holder, 0);
    server.pause();
    const failures = await Promise.all([
      ports.batches.claimSlice(id, holder.id, null, 0).catch((error: unknown) => error),
      ports.files.totalBytes().catch((error: unknown) => error),
    ]);
    for (const failure of failures) expect(['timeout', 'unreachable']).toContain((failure as { trouble: string }).trouble);
    server.resume();
    const claims = async () => {
      await ports.batches.holdOn(holder, 0);
      return (await ports.batches.claimSlice(id, holder.id, null, 0)) !== null;
    };
    await until(() => claims().catch(() => false), 'the slice can be claimed');
    await ports.close();
  });

  test('whose end comes in the middle of a transaction ends that one, and nothing else', { timeout: 60_000 }, async () => {
    const url = await server.database('middle');
    const link = new PostgresLink(url, systemClock);
    const isThere = () => link.ask((sql) => sql`SELECT 1`);
    /** @param end of the server's process that has it at the moment */
    const inside = (end: (pid: number) => void) =>
      link.together(async (sql) => {
        await sql`CREATE TABLE half (x integer)`;
        const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
        setTimeout(() => end(row!.pid), 100);
        await Promise.all([sql`SELECT pg_sleep(3)`, sql`INSERT INTO half VALUES (1)`]);
      });
    const isBack = async (): Promise<boolean> => {
      await isThere();
      return true;
    };
    await expect(inside((pid) => process.kill(pid, 'SIGKILL'))).rejects.toMatchObject({ trouble: 'unreachable' });
    await until(() => isBack().catch(() => false), 'it has started again by itself');
    await expect(inside((pid) => process.kill(pid, 'SIGTERM'))).rejects.toMatchObject({ trouble: 'unreachable' });
    for (let i = 0; i < 10; i++) await isThere();
    // Of a mistake the connections are left.
    await expect(link.together(async (sql) => sql`NONSENSE`)).rejects.toMatchObject({ trouble: 'error' });
    const fails = link.together(async (sql) => {
      await sql`CREATE TABLE half (x integer)`;
      await sql`NONSENSE`.catch(() => {});
    });
    await expect(fails).rejects.toMatchObject({ message: 'the transaction has been rolled back' });
    await link.together((sql) => sql`CREATE TABLE half (x integer)`);
    await link.close();
  });

  test('that does not let somebody in is told as such', async () => {
    const url = await server.database('closed');
    server.sql(url, 'CREATE ROLE guest LOGIN');
    const ports = postgresPorts(url.replace('headgate@', 'guest@'), systemClock);
    await expect(ports.files.totalBytes()).rejects.toMatchObject({ trouble: 'auth' });
    await ports.close();
    const nowhere = postgresPorts(url.replace('/closed', '/nowhere'), systemClock);
    await expect(nowhere.files.totalBytes()).rejects.toMatchObject({ trouble: 'auth' });
    await nowhere.close();
  });
});
