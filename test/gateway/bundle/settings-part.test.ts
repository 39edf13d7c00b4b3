import { expect, test } from 'vitest';
import { ownNames } from '../../../gateway/bundle/machine.ts';
import { privateTexts } from '../../../gateway/bundle/settings-part.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { veilOver } from './veil-over.ts';

function privateIn(written: object): string[] {
  const loaded = { settings: settingsSchema.parse(written), keys: [] as LoadedSettings['keys'] } as unknown as LoadedSettings;
  return [...privateTexts(loaded, {}, [])].map(({ text }) => text);
}

test('what everybody has who sets nothing is no private text, so that its words stay where they stand', async () => {
  expect(privateIn({})).toEqual([]);
  const listed = privateIn({ workers: [{ url: 'http://10.1.2.3:8000' }], models: [{ id: 'm' }] });
  expect(listed).toEqual(['http://10.1.2.3:8000', '10.1.2.3']);
  const veil = await veilOver(listed.map((text) => ({ kind: 'name', text })));
  expect(veil.text('headgate: the main group serves, as main.ts says')).toBe('headgate: the main group serves, as main.ts says');
});

test('what somebody has set is one, also where it has the words of another default', () => {
  expect(privateIn({ state: { prefix: 'acme:' } })).toEqual(['acme:']);
  expect(privateIn({ state: { prefix: 'main' } })).toEqual(['main']);
  expect(privateIn({ workers: [{ url: 'http://10.1.2.3:8000', group: 'acme' }] })).toContain('acme');
});

test('whose machine it is, is known by names of three letters too, and not by those of everybody', () => {
  const names = ownNames({ host: 'gpu', home: '/home/bob', user: 'bob', cwd: '/srv' }).map(({ text }) => text);
  expect(names).toEqual(['gpu', '/home/bob', 'bob', '/srv']);
  expect(ownNames({ host: 'a', home: '/', user: null, cwd: '/app' })).toEqual([]);
});
