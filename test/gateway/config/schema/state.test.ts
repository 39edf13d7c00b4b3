import { describe, expect, test } from 'vitest';
import { explainJson, explainSettings } from '../../../../gateway/config/explain.ts';
import { loadSettings } from '../../../../gateway/config/load.ts';
import { storeUrlProblem } from '../../../../gateway/config/schema/state.ts';

describe('the URL of a store', () => {
  test.each([
    'redis://10.0.0.7',
    'redis://10.0.0.7:6379/2',
    'rediss://valkey.example:6380/',
    'redis://:p%40ss@[::1]:6379',
    'redis://me:secret@host',
  ])('may be %s', (url) => expect(storeUrlProblem(url)).toBeNull());

  test.each([
    ['10.0.0.7:6379', 'expected a URL'],
    ['http://10.0.0.7', 'expected a URL'],
    ['redis://', 'expected a URL'],
    ['redis:///0', 'expected a URL'],
    ['redis://me:100%@host', '%25'],
    ['redis://host/?family=6', 'no query'],
    ['redis://host#x', 'no query'],
    ['redis://host/zero', 'number of a database'],
    ['redis://host/0/1', 'number of a database'],
    ['redis://169.254.169.254', 'metadata'],
    ['redis://2852039166', 'metadata'],
    ['redis://metadata.google.internal:6379', 'metadata'],
  ])('may not be %s', (url, reason) => expect(storeUrlProblem(url)).toContain(reason));
});

describe('its password', () => {
  const load = (url: string) =>
    loadSettings({
      env: {},
      cwd: '/',
      readFile: (path) => (path.endsWith('headgate.yaml') ? Buffer.from(`state: { url: "${url}" }`) : null),
    });

  test('is shown nowhere', () => {
    const loaded = load('redis://me:hunter2-hunter2@10.0.0.7:6379');
    expect(explainSettings(loaded)).not.toContain('hunter2');
    expect(JSON.stringify(explainJson(loaded))).not.toContain('hunter2');
  });

  test('is not repeated where the URL is wrong', () => {
    expect(() => load('redis://me:hunter2-hunter2@10.0.0.7:6379/zero')).toThrow(/number of a database/);
    expect(() => load('redis://me:hunter2-hunter2@10.0.0.7:6379/zero')).not.toThrow(/hunter2/);
  });
});
