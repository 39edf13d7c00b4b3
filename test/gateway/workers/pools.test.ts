import { expect, test } from 'vitest';
import type { WorkerState } from '../../../gateway/core/worker.ts';
import { createDirectory } from '../../../gateway/workers/directory.ts';
import type { ConfiguredModel } from '../../../gateway/workers/model-list.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { fakeTransports, recordChanges, view } from './worker-fixtures.ts';

const POOL: ConfiguredModel = { id: 'chat', aliases: ['gpt'], pool: ['a', 'b'], fallback: ['x'] };

function setUp(models: readonly ConfiguredModel[] = [POOL]) {
  const clock = createFakeClock();
  return createDirectory({ clock, events: recordChanges().events, models, createTransport: fakeTransports(clock).create });
}

const at = (id: string, models: readonly string[], state: WorkerState = 'ready', maxModelLen: number | null = 8192) =>
  view(id, { state, models: models.map((model) => ({ id: model, root: `org/${model}`, parent: null, maxModelLen })) });

test('the workers of a pool are those of its members, each once and in their order', () => {
  const directory = setUp();
  directory.apply([at('1', ['b']), at('2', ['a', 'b']), at('3', ['x']), at('4', ['a'], 'starting')]);
  expect(directory.readyFor('chat').map(({ id }) => id)).toEqual(['1', '2']);
  expect(directory.readyFor('a').map(({ id }) => id)).toEqual(['2']);
  expect(['chat', 'a', 'b', 'x'].map((model) => directory.shares!(model))).toEqual([true, true, true, false]);
});

test('a pool is what the best of its members is, and promises the least that those have which may be asked', () => {
  const directory = setUp();
  expect(directory.resolve('chat')).toMatchObject({ state: 'available', loadable: false, pool: ['a', 'b'], fallback: ['x'] });
  directory.apply([at('1', ['a'], 'failed'), at('2', ['b'], 'starting')]);
  expect(directory.resolve('gpt')).toMatchObject({ id: 'chat', state: 'loading' });
  directory.apply([at('1', ['a'], 'ready', 32_768), at('2', ['b'], 'ready', 4_096)]);
  expect(directory.resolve('chat')).toMatchObject({ state: 'ready', maxModelLen: 4_096, etaSeconds: null });
  directory.apply([at('1', ['a'], 'ready', 32_768), at('2', ['b'], 'failed', 4_096)]);
  expect(directory.resolve('chat')).toMatchObject({ state: 'ready', maxModelLen: 32_768 });
});

test('it can be loaded where one of them can, and what a member is called at home means that member', () => {
  const directory = setUp();
  const known = { aliases: [], source: null, capabilities: ['chat', 'tools'], maxModelLen: null, fit: null, reason: null, asleep: false };
  directory.apply([at('1', ['a'], 'ready')], [
    { ...known, id: 'a', state: 'available', etaSeconds: 90, loadable: true },
    { ...known, id: 'b', state: 'available', etaSeconds: 30, loadable: true, capabilities: ['chat'] },
  ] as never);
  expect(directory.resolve('org/a')?.id).toBe('a');
  expect(directory.resolve('chat')).toMatchObject({ root: null, capabilities: ['chat', 'tools'] });
  directory.apply([]);
  expect(directory.resolve('chat')).toMatchObject({ state: 'available', loadable: true, etaSeconds: 30, capabilities: ['chat'] });
});

test('a worker that serves a model of the pool’s name is not reached by it', () => {
  const directory = setUp();
  directory.apply([at('1', ['chat']), at('2', ['a'])]);
  expect(directory.readyFor('chat').map(({ id }) => id)).toEqual(['2']);
});

test('without pools no model shares its workers, and settings that change are heard of', () => {
  const directory = setUp([]);
  directory.apply([at('1', ['a'])]);
  expect(directory.shares!('a')).toBe(false);
  let told = 0;
  directory.onChange(() => void told++);
  directory.setModels([POOL]);
  expect([told, directory.readyFor('chat').length, directory.shares!('a')]).toEqual([1, 1, true]);
});
