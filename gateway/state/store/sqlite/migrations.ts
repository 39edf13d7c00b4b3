import type { DatabaseSync } from 'node:sqlite';
import { BATCH_TABLES } from './batch-tables.ts';

/** The file was written by a newer Headgate, which may keep things that this one knows nothing of. */
export class NewerFile extends Error {
  constructor(found: number, known: number) {
    super(`it was written by a newer version of Headgate (its form is ${found}, this version knows ${known})`);
  }
}

/** What makes each version of the file of the one before. What has been released is never changed: another is added. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE usage (
     hour INTEGER NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL,
     requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
     PRIMARY KEY (hour, key, model)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE spent (
     subject TEXT NOT NULL, window TEXT NOT NULL, tokens INTEGER NOT NULL, ends_at INTEGER NOT NULL,
     PRIMARY KEY (subject, window)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE grants (
     subject TEXT NOT NULL, window TEXT NOT NULL, holder TEXT NOT NULL, tokens INTEGER NOT NULL,
     PRIMARY KEY (subject, window, holder)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE holders (id TEXT PRIMARY KEY, last_batch INTEGER NOT NULL, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  // What tells this file from those of other machines.
  `CREATE TABLE identity (id TEXT NOT NULL) STRICT; INSERT INTO identity VALUES (lower(hex(randomblob(8))));`,
  BATCH_TABLES,
];

/**
 * Brings a file to the newest form, all of it or nothing; two processes may do so at once. @param migrations for tests @throws NewerFile, and
 * what SQLite says
 */
export function migrate(db: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  if (checkedVersion(db, migrations) === migrations.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = checkedVersion(db, migrations);
    for (const step of migrations.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** The version of a file, of which nothing has been changed yet. @throws NewerFile */
export function checkedVersion(db: DatabaseSync, migrations: readonly string[] = MIGRATIONS): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > migrations.length) throw new NewerFile(version, migrations.length);
  return version;
}
