import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { checkedVersion, migrate } from './migrations.ts';

/** How long another process may keep the file to itself before that is a failure. */
const BUSY_MS = 2_000;

/**
 * Opens the file, or makes it, for the user who runs the gateway alone. WAL: who reads holds up nobody who writes; a kill loses nothing that
 * was committed, a power failure perhaps the last moments. @throws NewerFile, and what SQLite or the disk says
 */
export function openDatabase(file: string, busyMs = BUSY_MS): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite would make it readable for others; its two files beside it get the rights of this one.
  closeSync(openSync(file, 'a', 0o600));
  // An import of it would tell of an experiment in versions of Node in which it is one.
  const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite');
  const db = new Database(file, { timeout: busyMs });
  try {
    checkedVersion(db);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;');
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
