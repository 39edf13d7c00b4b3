import { expect, test } from 'vitest';
import { databasePlace } from '../../../../gateway/config/database-place.ts';
import { filesPlace } from '../../../../gateway/config/files-place.ts';
import { databaseUrlProblem } from '../../../../gateway/config/schema/database.ts';
import { defaultSettings } from '../../../../gateway/config/schema/settings.ts';
import { problemsOf } from '../loading.ts';

const SERVER = 'postgres://me:very-secret@db:5432/headgate';

test.each([
  ['auto', '/srv/.headgate', { kind: 'file', path: '/srv/.headgate/headgate.db' }],
  ['auto', null, null],
  ['sqlite:/var/lib/a.db', null, { kind: 'file', path: '/var/lib/a.db' }],
  ['sqlite:data/a.db', '/srv/.headgate', { kind: 'file', path: '/srv/data/a.db' }],
  [SERVER, '/srv/.headgate', { kind: 'server', url: SERVER }],
  ['postgresql://db/headgate?sslmode=verify-full', null, { kind: 'server', url: 'postgresql://db/headgate?sslmode=verify-full' }],
])('%s with state folder %s is %j', (url, stateDir, place) => {
  expect(databaseUrlProblem(url)).toBeNull();
  expect(databasePlace({ ...defaultSettings(), database: { url } }, stateDir, '/srv')).toEqual(place);
});

test.each([
  ['', /^expected auto/],
  ['mysql://a', /^expected auto/],
  ['headgate.db', /^expected auto/],
  ['sqlite:', /^expected the path/],
  ['sqlite::memory:', /^expected a plain path/],
  ['sqlite:///a.db', /^expected a plain path/],
  ['sqlite:a/', /^expected the path/],
  ['postgres:', /^expected a URL such as/],
  ['postgres:headgate', /^expected a URL such as/],
  ['postgres:///headgate', /^expected a URL such as/],
  ['postgres://db-1,db-2:5432/headgate', /one host|^expected a URL/],
  ['postgres://db', /the name of a database/],
  ['postgres://db/', /the name of a database/],
  ['postgres://db/a/b', /the name of a database/],
  ['postgres://me:50%@db/a', /written %25/],
  ['postgres://me:a#b@db/a', /./],
  ['postgres://169.254.169.254/a', /metadata/],
  ['postgres://db/a?options=-c', /only sslmode/],
  ['postgres://db/a?sslmode=yes', /^sslmode is one of/],
])('%j is refused', (url, problem) => {
  expect(databaseUrlProblem(url)).toMatch(problem);
});

test('the password of a server is not repeated', () => {
  const [problem = ''] = problemsOf({ file: 'database: { url: "postgres://me:very-secret@db/headgate/more" }' });
  expect(problem).toContain('database.url');
  expect(problem).not.toContain('very-secret');
});

test.each([
  ['auto', 'auto', '/srv/.headgate', { kind: 'folder', path: '/srv/.headgate/files' }],
  ['auto', 'auto', null, null],
  ['/var/lib/files', 'auto', null, { kind: 'folder', path: '/var/lib/files' }],
  ['data', 'auto', '/srv/.headgate', { kind: 'folder', path: '/srv/data' }],
  ['auto', SERVER, '/srv/.headgate', { kind: 'database' }],
  ['database', SERVER, null, { kind: 'database' }],
  ['/shared/files', SERVER, null, { kind: 'folder', path: '/shared/files' }],
])('files of %s with the database %s and state folder %s are in %j', (dir, url, stateDir, place) => {
  const settings = { ...defaultSettings(), database: { url } };
  const { files } = settings;
  expect(filesPlace({ files: { ...files, dir } }, databasePlace(settings, stateDir, '/srv'), stateDir, '/srv')).toEqual(place);
});

test('files in the database take a server', () => {
  expect(problemsOf({ file: 'files: { dir: database }' })).toEqual([expect.stringContaining('database.url names none')]);
  expect(problemsOf({ file: `files: { dir: database }\ndatabase: { url: "${SERVER}" }` })).toEqual([]);
});
