import { expect, test } from 'vitest';
import type { Route } from '../../../../gateway/core/call.ts';
import { fallbacksOf } from '../../../../gateway/core/pools/fallbacks.ts';
import { modelToLoad } from '../../../../gateway/core/pools/to-load.ts';
import { ANONYMOUS, type KeyHolder } from '../../../../gateway/core/principal.ts';
import type { ModelEntry } from '../../../../gateway/core/worker.ts';
import { modelsAllowed } from '../../../../gateway/keys/model-patterns.ts';
import { CHAT } from '../../../support/fake-call.ts';

function entry(id: string, more: Partial<ModelEntry> = {}): ModelEntry {
  const nothing = {
    aliases: [],
    root: null,
    parent: null,
    maxModelLen: null,
    created: 1,
    profile: null,
    capabilities: [],
    etaSeconds: null,
  };
  return { id, ...nothing, state: 'ready', loadable: false, ...more };
}

function directory(models: readonly ModelEntry[]) {
  return { resolve: (name: string | null) => models.find(({ id, aliases }) => id === name || aliases.includes(name ?? '')) ?? null };
}

const chat = entry('chat', { pool: ['a', 'b'], fallback: ['x', 'y', 'gone'] });
const known = directory([chat, entry('a'), entry('x', { aliases: ['outside'] }), entry('y')]);

function holder(patterns: readonly string[]): KeyHolder {
  const mayUse = modelsAllowed(patterns);
  return { kind: 'key', name: 'k', isBatch: false, isAdmin: false, limits: null, budgets: null, patienceMs: 0, mayUse };
}

const asked = { model: chat, route: CHAT, principal: ANONYMOUS, only: null, wish: undefined };

test('whoever has no key, or one for all, may fall back to every model that there is', () => {
  expect(fallbacksOf(known, asked)).toEqual(['x', 'y']);
  expect(fallbacksOf(known, { ...asked, principal: holder(['*']) })).toEqual(['x', 'y']);
});

test('a key may fall back to what it may use by that one’s own names, and to nothing for being let into the pool', () => {
  expect(fallbacksOf(known, { ...asked, principal: holder(['chat']) })).toEqual([]);
  expect(fallbacksOf(known, { ...asked, principal: holder(['chat', 'y*']) })).toEqual(['y']);
  expect(fallbacksOf(known, { ...asked, principal: holder(['chat', 'outside']) })).toEqual(['x']);
});

test('a call that asks for none, or that one worker alone can answer, has none', () => {
  expect(fallbacksOf(known, { ...asked, wish: 'none' })).toEqual([]);
  expect(fallbacksOf(known, { ...asked, only: { worker: 'w' } })).toEqual([]);
  expect(fallbacksOf(known, { ...asked, model: entry('plain') })).toEqual([]);
});

test.each(['/tokenize', '/detokenize', '/v1/messages/count_tokens', '/v1/chat/completions/render'])(
  '%s tells of one model, and of no other',
  (path) => {
    const route: Route = { ...CHAT, path };
    expect(fallbacksOf(known, { ...asked, route })).toEqual([]);
  },
);

test('of a pool that is not loaded the member is wished for that is on its way, else the one that is there soonest', () => {
  const pool = (a: Partial<ModelEntry>, b: Partial<ModelEntry>) =>
    directory([entry('chat', { pool: ['a', 'b'] }), entry('a', { state: 'available', ...a }), entry('b', { state: 'available', ...b })]);
  const can = { loadable: true };
  expect(modelToLoad(pool({ ...can, etaSeconds: 90 }, { ...can, etaSeconds: 20 }), 'chat')).toBe('b');
  expect(modelToLoad(pool({ ...can, etaSeconds: 90, state: 'loading' }, { ...can, etaSeconds: 20 }), 'chat')).toBe('a');
  expect(modelToLoad(pool({}, can), 'chat')).toBe('b');
  expect(modelToLoad(pool(can, can), 'a')).toBe('a');
  expect(modelToLoad(pool({}, {}), 'chat')).toBe('chat');
});
