import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { type KeysAsked, type KeysTold, readInThread } from '../../../gateway/keys/read-in-thread.ts';
import { WatchedKeys } from '../../../gateway/keys/watched-keys.ts';
import { until } from '../../support/gateway.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const closing: WatchedKeys[] = [];
afterEach(() => {
  for (const each of closing.splice(0)) each.close();
});

function watch(cwd: string, file: () => string | null, first: KeysTold[] = []) {
  const told: KeysTold[] = [];
  const watched = new WatchedKeys({
    clock: { ...systemClock, after: (ms, fn) => systemClock.after(Math.min(ms, 20), fn) },
    asked: (): KeysAsked | null => {
      const name = file();
      return name === null ? null : { file: name, cwd, inSettings: [] };
    },
    read: (asked) => readInThread(asked, systemClock),
    onRead: (each, _asked, isFirst) => (isFirst ? first : told).push(each),
  });
  closing.push(watched);
  return told;
}

const listing = (...names: string[]) => JSON.stringify({ keys: names.map((name) => ({ name, key: `hg-the-key-of-${name}` })) });
const namesIn = (told: KeysTold | undefined) => (told?.kind === 'keys' ? told.keys.map(({ name }) => name) : told?.problems);

describe('a keys file', () => {
  test('is read when it has changed: written over, put in its place, or behind a link', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const file = join(folder, 'keys.yaml');
    writeFileSync(file, listing('a'));
    const told = watch(folder, () => 'keys.yaml');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(told).toEqual([]);

    writeFileSync(file, listing('a', 'b'));
    await until(() => told.length > 0, 'it has been read');
    expect(namesIn(told.at(-1))).toEqual(['a', 'b']);

    writeFileSync(join(folder, 'new.yaml'), listing('c'));
    renameSync(join(folder, 'new.yaml'), file);
    await until(() => namesIn(told.at(-1))?.[0] === 'c', 'the one put in its place');

    // As Kubernetes changes what it has mounted.
    for (const [version, name] of [
      ['1', 'd'],
      ['2', 'e'],
    ] as const) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'keys.yaml'), listing(name));
      rmSync(file, { force: true });
      symlinkSync(join(version, 'keys.yaml'), file);
      await until(() => namesIn(told.at(-1))?.[0] === name, `version ${version}`);
    }
  });

  test('that is wrong is told as such, by its place, and without what is secret in it', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const file = join(folder, 'keys.yaml');
    writeFileSync(file, listing('a'));
    const told = watch(folder, () => file);
    await new Promise((resolve) => setTimeout(resolve, 100));
    writeFileSync(file, 'keys:\n  - name: a\n    key: "hg secret with spaces"\n  - nmae: b\n');
    await until(() => told.some(({ kind }) => kind === 'wrong'), 'it is refused');
    const problems = namesIn(told.at(-1))!.join('\n');
    expect(problems).toContain('keys.yaml:3:');
    expect(problems).toContain('keys.yaml:4:');
    expect(problems).not.toContain('secret with spaces');

    rmSync(file);
    await until(() => namesIn(told.at(-1))!.some((line) => line.includes('no such file')), 'it is missed');
    writeFileSync(file, listing('z'));
    await until(() => namesIn(told.at(-1))?.[0] === 'z', 'it is there again');
  });

  test('that has become a pipe is not waited for', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const file = join(folder, 'keys.yaml');
    writeFileSync(file, listing('a'));
    const told = watch(folder, () => file);
    await new Promise((resolve) => setTimeout(resolve, 100));
    rmSync(file);
    execFileSync('mkfifo', [file]);
    await until(() => namesIn(told.at(-1))?.[0]?.includes('a pipe or a device') === true, 'it is refused');
    rmSync(file);
    writeFileSync(file, listing('b'));
    await until(() => namesIn(told.at(-1))?.[0] === 'b', 'it is a file again');
  });

  test(
    'that is named later, too, is read then: it may have changed since the settings that name it were read',
    { timeout: 60_000 },
    async () => {
      const folder = scratchFolder();
      const file = join(folder, 'keys.yaml');
      writeFileSync(file, listing('a'));
      let name: string | null = null;
      const first: KeysTold[] = [];
      const told = watch(folder, () => name, first);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect([told, first]).toEqual([[], []]);
      name = file;
      await until(() => first.length > 0, 'it has been read');
      expect([namesIn(first[0]), told]).toEqual([['a'], []]);
      utimesSync(file, 1, 1);
      await until(() => told.length > 0, 'a change after that is read');
    },
  );
});
