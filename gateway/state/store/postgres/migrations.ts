import type { Sql } from 'postgres';
import type { Statements } from './statements.ts';
import { BYTES_TABLES } from './bytes-tables.ts';
import { BATCH_TABLES } from './tables.ts';
import { transact } from './transact.ts';
import { USAGE_TABLES } from './usage-tables.ts';

/** The schema was written by a newer Headgate, which may keep things that this one knows nothing of. */
export class NewerSchema extends Error {
  constructor(found: number, known: number) {
    super(`it was written by a newer version of Headgate (its form is ${found}, this version knows ${known})`);
  }
}

/** What makes each version of the schema of the one before. What has been released is never changed: another is added. */
const MIGRATIONS: readonly string[] = [BATCH_TABLES, BYTES_TABLES, USAGE_TABLES];
/** One at a time, on the whole server's database: "headgate" in ASCII. */
const LOCK = '7522521982817924197';

/** Brings the schema `headgate` to the newest form, all of it or nothing; many may do so at once. @throws NewerSchema, and what the server says */
export async function migrate(sql: Sql, migrations: readonly string[] = MIGRATIONS): Promise<void> {
  if ((await versionOf(sql, migrations)) === migrations.length) return;
  await transact(sql, async (all) => {
    await all`SELECT pg_advisory_xact_lock(${LOCK}::bigint)`;
    const version = await versionOf(all, migrations);
    if (version === migrations.length) return;
    // Whoever may not make one can still use one that somebody has made for him.
    const [schema] = await all`SELECT 1 FROM pg_namespace WHERE nspname = 'headgate'`;
    if (!schema) await all`CREATE SCHEMA headgate`;
    if (version === 0) await all`CREATE TABLE headgate.form (version integer NOT NULL)`;
    for (const step of migrations.slice(version)) await all.unsafe(step);
    await all`DELETE FROM headgate.form`;
    await all`INSERT INTO headgate.form VALUES (${migrations.length})`;
  });
}

async function versionOf(sql: Statements, migrations: readonly string[]): Promise<number> {
  // to_regclass would not see what another has made while this one waited for the lock: it looks into a cache.
  const [table] = await sql`SELECT 1 FROM pg_tables WHERE schemaname = 'headgate' AND tablename = 'form'`;
  if (!table) return 0;
  const [row] = await sql`SELECT version FROM headgate.form`;
  const version = Number(row?.['version'] ?? 0);
  if (version > migrations.length) throw new NewerSchema(version, migrations.length);
  return version;
}
