import { expect, test } from 'vitest';
import { nearestName } from '../../../../../gateway/config/schema/nearest-name.ts';
import { poolFindings } from '../../../../../gateway/config/schema/values/model-pools.ts';

interface Entry {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly pool?: readonly string[] | null;
  readonly fallback?: readonly string[];
  readonly source?: string | null;
  readonly engine?: object;
}

function found(models: readonly Entry[], served: readonly string[] | null = []): string[] {
  const whole = models.map((model) => ({ aliases: [], pool: null, fallback: [], source: null, engine: {}, ...model }));
  return [...poolFindings(whole, served, nearestName)].map(({ index, at, message }) => `${index}.${at.join('.')}: ${message}`);
}

test('a pool of models that are there, with fallbacks that are there, is fine; two models may stand in for each other', () => {
  expect(found([{ id: 'chat', pool: ['a', 'b'], fallback: ['x'] }], ['a', 'b', 'x'])).toEqual([]);
  expect(found([{ id: 'chat', pool: ['a'], fallback: ['b'] }, { id: 'a' }, { id: 'b', fallback: ['chat'] }])).toEqual([]);
});

test.each<[string, readonly Entry[], readonly string[] | null, string]>([
  [
    'a member that nobody has',
    [{ id: 'chat', pool: ['qwen-a'] }],
    ['qwen-b'],
    '0.pool.0: qwen-a is no model of models or of a worker; did you mean qwen-b?',
  ],
  [
    'a fallback that nobody has',
    [{ id: 'a', fallback: ['zzz'] }],
    [],
    '0.fallback.0: zzz is no model of models or of a worker; there is a',
  ],
  ['itself', [{ id: 'chat', pool: ['chat'] }], [], '0.pool.0: chat cannot be in its own pool: it stands for models with other ids'],
  [
    'another pool',
    [{ id: 'chat', pool: ['more'] }, { id: 'more', pool: ['a'] }, { id: 'a' }],
    [],
    '0.pool.0: more is a pool itself: name its members (a)',
  ],
  ['one twice', [{ id: 'chat', pool: ['a', 'a'] }, { id: 'a' }], [], '0.pool.1: a is in the pool twice'],
  ['itself as a fallback', [{ id: 'a', fallback: ['a'] }], [], '0.fallback.0: a cannot fall back to itself'],
  [
    'a member as a fallback',
    [{ id: 'chat', pool: ['a'], fallback: ['a'] }, { id: 'a' }],
    [],
    '0.fallback.0: a is in the pool, so a call that falls back has been tried there',
  ],
  ['a fallback twice', [{ id: 'a', fallback: ['b', 'b'] }, { id: 'b' }], [], '0.fallback.1: b is a fallback of a twice'],
  [
    'an alias',
    [
      { id: 'chat', pool: ['short'] },
      { id: 'a', aliases: ['short'] },
    ],
    [],
    '0.pool.0: short is an alias: name the model by its id, a',
  ],
  [
    'the name of a real model',
    [{ id: 'chat', pool: ['a'] }],
    ['chat', 'a'],
    '0.id: chat is a model that a worker serves already: give the pool a name of its own',
  ],
  [
    'an engine for it',
    [{ id: 'chat', pool: ['a'], source: 'org/a' }, { id: 'a' }],
    [],
    '0.pool: chat is a pool, which no engine is started for: source and engine belong to its members',
  ],
])('refused: %s', (_, models, served, message) => {
  expect(found(models, served)).toEqual([message]);
});

test('where a worker is asked what it serves, a name that nobody has told yet is not refused', () => {
  expect(found([{ id: 'chat', pool: ['a'], fallback: ['x'] }], null)).toEqual([]);
});
