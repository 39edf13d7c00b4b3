import { describe, expect, test } from 'vitest';
import type { ModelEntry, Worker } from '../../../../gateway/core/worker.ts';
import { elsewhere, isServedFor } from '../../../../gateway/core/hops/elsewhere.ts';
import { toGateway } from '../../../../gateway/core/hops/to-gateway.ts';
import { fakeCall } from '../../../support/fake-call.ts';

const [A, B, C] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
const worker = (gateway?: string | null) => ({ view: { gateway } }) as Worker;
const [engine, a, b] = [worker(), worker(A), worker(B)];

test('a call goes to engines, and to gateways that it has not come by', () => {
  const all = [engine, worker(null), a, b];
  expect(elsewhere(all, [])).toBe(all);
  expect(elsewhere(all, [C])).toBe(all);
  expect(elsewhere(all, [A])).toEqual([engine, worker(null), b]);
  expect(elsewhere([a, b], [B, A])).toEqual([]);
});

describe('a model is served for those who come by a gateway', () => {
  const ready: Record<string, Worker[]> = { here: [engine, a], 'by way of a': [a], nobody: [] };
  const entry = (id: string, more: Partial<ModelEntry> = {}) => ({ id, loadable: false, ...more }) as ModelEntry;
  const directory = { readyFor: (id: string) => ready[id] ?? [], resolve: (name: string | null) => entry(name ?? '') };
  test.each([
    ['by an engine', entry('here'), [A], true],
    ['not by way of who asks', entry('by way of a'), [A], false],
    ['by way of another', entry('by way of a'), [B], true],
    ['by nobody', entry('nobody'), [B], false],
    ['by whoever loads it', entry('nobody', { loadable: true }), [A], true],
    ['by a fallback', entry('nobody', { fallback: ['by way of a', 'here'] }), [A], true],
    ['not by a fallback that is served by way of who asks', entry('nobody', { fallback: ['by way of a'] }), [A], false],
  ] as const)('%s', (_, model, cameBy, isServed) => {
    expect(isServedFor(directory, model, cameBy)).toBe(isServed);
  });
});

test('what its client wants goes on with a call to the next gateway', () => {
  expect(toGateway(fakeCall(), A)).toEqual({ via: `1.1 headgate-${A}` });
  const call = { ...fakeCall({ priority: 'batch' }), cameBy: [B], cacheControl: 'no-store', keepsModel: true };
  expect(toGateway(call, A)).toEqual({
    via: `1.1 headgate-${B}, 1.1 headgate-${A}`,
    'cache-control': 'no-store',
    'x-headgate-priority': 'batch',
    'x-headgate-fallback': 'none',
  });
  expect(toGateway({ ...fakeCall(), isLine: true }, A)).toMatchObject({ 'x-headgate-fallback': 'none' });
});
