import { readFileSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../../../gateway/state/store/sqlite/database.ts';
import { migrate, NewerFile } from '../../../../gateway/state/store/sqlite/migrations.ts';
import { failureOf } from '../../../../gateway/state/store/sqlite/trouble.ts';
import { adviceFor } from '../../../../gateway/state/store/trouble.ts';
import { scratchFolder } from '../../../supervisor/support/scratch.ts';

function failureAt(file: string, busyMs = 1) {
  try {
    openDatabase(file, busyMs).close();
    return null;
  } catch (error) {
    return failureOf(error);
  }
}

describe('a file', () => {
  test('is made with its folder, for its user alone, and with all that SQLite puts beside it', () => {
    const file = join(scratchFolder(), 'state', 'headgate.db');
    const db = openDatabase(file);
    db.exec("INSERT INTO holders VALUES ('a', 1, 1)");
    for (const name of [file, `${file}-wal`, `${file}-shm`]) expect(statSync(name).mode & 0o777, name).toBe(0o600);
    expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    db.close();
  });

  test('of a newer version is refused, and stays as it is', () => {
    const file = join(scratchFolder(), 'headgate.db');
    const db = new DatabaseSync(file);
    db.exec('CREATE TABLE later (x); PRAGMA user_version = 99');
    db.close();
    expect(failureAt(file)).toMatchObject({ trouble: 'newer', message: expect.stringContaining('99') as unknown });
    const again = new DatabaseSync(file);
    expect(again.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
    expect(again.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'later' }]);
    again.close();
  });

  test('that is no database, a folder, or somewhere else than in a folder is told as such, and not touched', () => {
    const folder = scratchFolder();
    const file = join(folder, 'headgate.db');
    const text = 'this is a letter, and longer than the head of a database would be: '.repeat(20);
    writeFileSync(file, text);
    expect(failureAt(file)).toMatchObject({ trouble: 'corrupt' });
    expect(readFileSync(file, 'utf8')).toBe(text);
    mkdirSync(join(folder, 'folder.db'));
    expect(failureAt(join(folder, 'folder.db'))).toMatchObject({ trouble: 'unwritable' });
    expect(failureAt(join(file, 'within.db'))).toMatchObject({ trouble: 'unwritable' });
  });

  test('that another program keeps to itself is told as locked', () => {
    const file = join(scratchFolder(), 'headgate.db');
    openDatabase(file).close();
    const keeper = new DatabaseSync(file);
    keeper.exec('BEGIN EXCLUSIVE');
    const db = openDatabase(file, 1);
    expect(() => db.exec('BEGIN IMMEDIATE')).toThrow(expect.objectContaining({ errcode: 5 }));
    keeper.close();
    db.exec('BEGIN IMMEDIATE');
    db.close();
  });
});

describe('migrations', () => {
  const steps = ['CREATE TABLE a (x)', 'ALTER TABLE a ADD COLUMN y DEFAULT 7'];

  test('bring a file of any version before to the newest, with what it holds', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db, steps.slice(0, 1));
    db.exec('INSERT INTO a VALUES (1)');
    migrate(db, steps);
    migrate(db, steps);
    expect(db.prepare('SELECT * FROM a').all()).toEqual([{ x: 1, y: 7 }]);
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 2 });
    expect(() => migrate(db, steps.slice(0, 1))).toThrow(NewerFile);
  });

  test('are done as a whole or not at all', () => {
    const db = new DatabaseSync(':memory:');
    expect(() => migrate(db, [...steps, 'CREATE NONSENSE'])).toThrow();
    expect(db.prepare('SELECT name FROM sqlite_master').all()).toEqual([]);
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 0 });
  });
});

test.each([
  [{ errcode: 5 }, 'locked'],
  [{ errcode: 13 }, 'full'],
  // With more in the higher bytes.
  [{ errcode: 778 }, 'disk'],
  [{ errcode: 8 }, 'unwritable'],
  [{ code: 'ENOSPC' }, 'full'],
  [{ code: 'EACCES' }, 'unwritable'],
  [{}, 'error'],
] as const)('%o is told as %s, with advice', (fields, trouble) => {
  const failure = failureOf(Object.assign(new Error('no'), fields));
  expect(failure).toEqual({ ok: false, trouble, message: 'no' });
  expect(adviceFor(failure.trouble, 'file')).not.toBe('');
});
