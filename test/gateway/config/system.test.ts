import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadSettings } from '../../../gateway/config/load.ts';
import { readUpTo, systemInput } from '../../../gateway/config/system.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a file is read up to the limit and no further', () => {
  const path = join(folder, 'a.yaml');
  writeFileSync(path, 'abcdef');
  expect(Buffer.from(readUpTo(path, 100)!).toString()).toBe('abcdef');
  expect(Buffer.from(readUpTo(path, 3)!).toString()).toBe('abc');
});

test('a device that never ends is read up to the limit', () => {
  expect(readUpTo('/dev/zero', 1000)).toHaveLength(1000);
});

test('a file that is not there is null', () => {
  expect(readUpTo(join(folder, 'none'), 10)).toBeNull();
});

test('a folder cannot be read, and the loader says so', () => {
  const input = { ...systemInput(), env: {}, cwd: folder };
  expect(() => loadSettings({ ...input, flags: { config: '.', values: new Map() } })).toThrow(/^\.: cannot be read: EISDIR/);
});

test('the input is a copy of the environment', () => {
  const { env, cwd } = systemInput();
  expect(env).toEqual({ ...process.env });
  expect(env).not.toBe(process.env);
  expect(cwd).toBe(process.cwd());
});
