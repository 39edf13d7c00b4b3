import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { ClientKeySettings } from '../../../gateway/config/schema/client-keys.ts';
import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { HeldKeys } from '../../../gateway/keys/held-keys.ts';
import type { KeysTold } from '../../../gateway/keys/read-in-thread.ts';
import { until } from '../../support/gateway.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';
import { keyOf } from './keys.ts';

const key = (name: string): ClientKeySettings => keyOf({ name, key: `hg-the-key-of-${name}` });

/** Settings that name that file, in which these keys were found. */
function loadedWith(file: string, ...names: string[]): Pick<LoadedSettings, 'settings' | 'keys'> {
  const settings = defaultSettings();
  return { settings: { ...settings, auth: { ...settings.auth, keys_file: file } }, keys: names.map(key) };
}

const open: HeldKeys[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** Keys of a folder with a.yaml and b.yaml; each read of a file waits until it is answered. */
function scene(beginning: Pick<LoadedSettings, 'settings' | 'keys'>) {
  const folder = scratchFolder();
  for (const file of ['a.yaml', 'b.yaml']) writeFileSync(join(folder, file), '');
  const reads: { file: string; answer: (told: KeysTold) => void }[] = [];
  const changes: string[] = [];
  const held = new HeldKeys({
    clock: { ...systemClock, after: (ms, fn) => systemClock.after(Math.min(ms, 10), fn) },
    cwd: folder,
    loaded: beginning,
    read: ({ file }) => new Promise((answer) => reads.push({ file, answer })),
    onChange: (told, file) => changes.push(`${file} ${told.kind}`),
  });
  open.push(held);
  const knows = (name: string): boolean => held.door.ring.find(`hg-the-key-of-${name}`, 0).kind === 'holder';
  const answer = async (file: string, told: KeysTold): Promise<void> => {
    await until(() => reads[0]?.file === file, `${file} is read`);
    reads.shift()!.answer(told);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { folder, held, changes, knows, answer };
}

const says = (...names: string[]): KeysTold => ({ kind: 'keys', keys: names.map(key), warnings: [] });

describe('the keys that hold', () => {
  test('are those that the settings were read with, and what a file says since: at its first look, too', async () => {
    const { changes, knows, answer, folder } = scene(loadedWith('a.yaml', 'old'));
    expect(knows('old')).toBe(true);
    // It was changed between the settings and the first look.
    await answer('a.yaml', says('new'));
    expect([knows('old'), knows('new'), changes]).toEqual([false, true, ['a.yaml keys']]);
    writeFileSync(join(folder, 'a.yaml'), '# changed');
    await answer('a.yaml', { kind: 'wrong', problems: ['a.yaml: no'] });
    expect([knows('new'), changes]).toEqual([true, ['a.yaml keys', 'a.yaml wrong']]);
  });

  test('a first look that finds what is known already tells nobody', async () => {
    const { changes, knows, answer } = scene(loadedWith('a.yaml', 'old'));
    await answer('a.yaml', says('old'));
    expect([knows('old'), changes]).toEqual([true, []]);
  });

  test('are not those of a file that a reload has left while it was read', async () => {
    const { held, changes, knows, answer } = scene(loadedWith('a.yaml', 'a'));
    held.adopt(loadedWith('b.yaml', 'b'));
    await answer('a.yaml', says('a', 'more'));
    expect([knows('a'), knows('more'), knows('b'), changes]).toEqual([false, false, true, []]);
    await answer('b.yaml', says('b'));
    expect([knows('b'), changes]).toEqual([true, []]);
  });
});
