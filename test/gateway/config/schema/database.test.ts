import { expect, test } from 'vitest';
import { databaseFile } from '../../../../gateway/config/database-file.ts';
import { filesDir } from '../../../../gateway/config/files-dir.ts';
import { databaseUrlProblem } from '../../../../gateway/config/schema/database.ts';
import { defaultSettings } from '../../../../gateway/config/schema/settings.ts';
import { problemsOf } from '../loading.ts';

test.each([
  ['auto', '/srv/.headgate', '/srv/.headgate/headgate.db'],
  ['auto', null, null],
  ['sqlite:/var/lib/a.db', null, '/var/lib/a.db'],
  ['sqlite:data/a.db', '/srv/.headgate', '/srv/data/a.db'],
])('%s with state folder %s is %s', (url, stateDir, file) => {
  expect(databaseUrlProblem(url)).toBeNull();
  expect(databaseFile({ ...defaultSettings(), database: { url } }, stateDir, '/srv')).toBe(file);
});

test.each(['', 'mysql://a', 'headgate.db', 'sqlite:', 'sqlite::memory:', 'sqlite:///a.db', 'sqlite:a/'])('%j is refused', (url) => {
  expect(databaseUrlProblem(url)).toMatch(/^expected /);
});

test('PostgreSQL is not supported yet, and its password is not repeated', () => {
  const [problem = ''] = problemsOf({ file: 'database: { url: "postgres://me:very-secret@db/headgate" }' });
  expect(problem).toContain('PostgreSQL is not supported yet: use auto, or sqlite:PATH');
  expect(problem).not.toContain('very-secret');
});

test.each([
  ['auto', '/srv/.headgate', '/srv/.headgate/files'],
  ['auto', null, null],
  ['/var/lib/files', null, '/var/lib/files'],
  ['data', '/srv/.headgate', '/srv/data'],
])('files of %s with state folder %s are in %s', (dir, stateDir, folder) => {
  const { files } = defaultSettings();
  expect(filesDir({ files: { ...files, dir } }, stateDir, '/srv')).toBe(folder);
});
