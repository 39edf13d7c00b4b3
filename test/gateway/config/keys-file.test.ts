import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type KeysRead, readKeysFile } from '../../../gateway/config/keys-file.ts';
import { loadSettings } from '../../../gateway/config/load.ts';
import { problemText, SettingsError, toProblems } from '../../../gateway/config/schema/problems.ts';
import { keyOf } from '../keys/keys.ts';

function read(
  text: string | null,
  env: Record<string, string> = {},
  inSettings = [keyOf({ name: 'first', key: 'hg-in-the-settings' })],
): KeysRead {
  return readKeysFile({ file: 'keys.yaml', cwd: '/srv', env, readFile: () => (text === null ? null : Buffer.from(text)) }, inSettings);
}

const problems = (text: string | null, env?: Record<string, string>) => toProblems(read(text, env).findings).map(problemText);

describe('a keys file', () => {
  test('is a list of keys, with variables as the settings have them', () => {
    const { keys, findings } = read('keys:\n  - { name: a, key: "${A_KEY}" }\n  - name: b\n    key_sha256: "' + 'ab'.repeat(32) + '"\n', {
      A_KEY: 'hg-from-the-environment',
    });
    expect(findings).toEqual([]);
    expect(keys).toMatchObject([
      { name: 'a', key: 'hg-from-the-environment', models: ['*'], priority: 'interactive', expires_at: null, admin: false },
      { name: 'b', key: null, key_sha256: 'ab'.repeat(32) },
    ]);
  });

  test('may be empty: then nobody has a key', () => {
    for (const text of ['', '# none yet\n', 'keys:\n', 'keys: []\n']) expect(read(text)).toMatchObject({ keys: [], findings: [] });
  });

  test('may hold ten thousand', () => {
    const text = Array.from({ length: 10_000 }, (_, i) => `  - { name: k${i}, key: hg-secret-number-${i} }\n`).join('');
    expect(read(`keys:\n${text}`).keys).toHaveLength(10_000);
  });

  test.each([
    ['- { name: a }', 'keys.yaml:1:1: expected keys: and a list of keys in it'],
    ['keys: [ { name: a, key: x', 'keys.yaml:'],
    ['keys:\n  - { name: "a b", key: hg-sixteen-letters }', 'keys.yaml:2:13: keys[0].name: expected a name of'],
    ['keys:\n  - { name: a, kye: hg-sixteen-letters }', 'did you mean key?'],
    ['keys:\n  - { name: a }', 'keys.yaml:2:13: keys[0].name: the key a has neither key nor key_sha256'],
    ['keys:\n  - { name: a, key: hg-sixteen-letters, key_sha256: "' + 'ab'.repeat(32) + '" }', 'both key and key_sha256'],
    [
      'keys:\n  - { name: a, key: hg-sixteen-letters }\n  - { name: a, key: hg-other-sixteen-x }',
      'keys.yaml:3:13: keys[1].name: there is a key a already',
    ],
    [
      'keys:\n  - { name: a, key: hg-sixteen-letters }\n  - { name: b, key: hg-sixteen-letters }',
      'keys[1].key: is the same secret as that of a',
    ],
    ['keys:\n  - { name: first, key: hg-sixteen-letters }', 'there is a key first already'],
    ['keys:\n  - { name: b, key: hg-in-the-settings }', 'is the same secret as that of first'],
    ['keys:\n  - { name: b, key: hg-sixteen-letters, expires_at: tomorrow }', 'expected a day or a time with its zone'],
    ['keys:\n  - { name: b, key: hg-sixteen-letters, expires_at: 2026-13-01 }', 'expected a day or a time with its zone'],
    ['keys:\n  - { name: b, key: hg-sixteen-letters, models: [] }', 'keys[0].models'],
    ['keys:\n  - { name: b, key_sha256: abc }', '64 hexadecimal digits'],
    ['keys:\n  - { name: b, key: "${NOWHERE}" }', 'NOWHERE'],
  ])('is refused by its place: %j', (text, expected) => {
    const told = problems(text).join('\n');
    expect(told).toContain(expected);
    expect(told).not.toContain('hg-sixteen-letters');
    expect(told).not.toContain('hg-in-the-settings');
  });

  test('that is not there, or cannot be read, is said to be so', () => {
    expect(problems(null)).toEqual(['keys.yaml: there is no such file, which auth.keys_file names']);
    const { findings } = readKeysFile(
      {
        ...{ file: 'keys.yaml', cwd: '/srv', env: {} },
        readFile: () => {
          throw new Error('EACCES: permission denied');
        },
      },
      [],
    );
    expect(toProblems(findings).map(problemText)).toEqual(['keys.yaml: cannot be read: EACCES: permission denied']);
  });

  test('warns of a key that may be guessed', () => {
    const { warnings, findings } = read('keys:\n  - { name: b, key: secret }');
    expect(findings).toEqual([]);
    expect(warnings).toEqual([
      'keys.yaml:2:21: the key b has fewer than 16 characters and may be guessed; "headgate key new" makes a good one',
    ]);
  });
});

describe('the settings', () => {
  const load = (file: string, keys: string | null) =>
    loadSettings({
      env: {},
      cwd: '/srv',
      readFile: (path) =>
        path === '/srv/headgate.yaml' ? Buffer.from(file) : path === '/srv/keys.yaml' && keys !== null ? Buffer.from(keys) : null,
    });

  test('hold the keys of both places together', () => {
    const loaded = load(
      'auth:\n  keys: [{ name: a, key: hg-sixteen-letters }]\n  keys_file: keys.yaml\n',
      'keys: [{ name: b, key: hg-other-sixteen-x }]',
    );
    expect(loaded.keys.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(loaded.settings.auth.keys).toHaveLength(1);
  });

  test('let a gateway listen anywhere where a key is asked for', () => {
    const digest = createHash('sha256').update('x').digest('hex');
    for (const auth of [`keys: [{ name: a, key_sha256: "${digest}" }]`, 'keys_file: keys.yaml'])
      expect(() => load(`server: { host: 0.0.0.0 }\nauth: { ${auth} }\n`, 'keys: []')).not.toThrow();
    expect(() => load('server: { host: 0.0.0.0 }\n', null)).toThrow(SettingsError);
  });

  test('are refused for what is wrong in the keys file', () => {
    expect(() => load('auth: { keys_file: keys.yaml }\n', 'keys: [{ name: a }]')).toThrow(
      'keys.yaml:1:16: keys[0].name: the key a has neither',
    );
    expect(() => load('auth: { keys_file: keys.yaml }\n', null)).toThrow('headgate.yaml:1:20: auth.keys_file: there is no file keys.yaml');
  });
});
