import { expect, test } from 'vitest';
import type { Worker } from '../../../../gateway/core/worker.ts';
import { AskedForRest } from '../../../../gateway/policies/dispatch/asked-for-rest.ts';

const [W0, W1] = [{ id: 'w0', view: {} } as Worker, { id: 'w1', view: {} } as Worker];

test('a worker that told two different bodies to come later is asked by nobody until then', () => {
  const rest = new AskedForRest();
  rest.note(W0, 'm', 5_000, 'a', 0);
  expect(rest.awake([W0, W1], 'm', 1)).toEqual([W0, W1]);
  rest.note(W0, 'm', 5_000, 'b', 100);
  expect(rest.awake([W0, W1], 'm', 5_099)).toEqual([W1]);
  expect(rest.leftMs([W0], 'm', 1_100)).toBe(4_000);
  expect(rest.awake([W0, W1], 'm', 5_100)).toEqual([W0, W1]);
});

test('one body that is told so again and again keeps nobody else from it', () => {
  const rest = new AskedForRest();
  for (let i = 0; i < 100; i++) rest.note(W0, 'm', 30_000, 'a', i * 100);
  expect(rest.awake([W0], 'm', 10_000)).toEqual([W0]);
});

test('nor do two of which one was told long ago, or at another worker', () => {
  const rest = new AskedForRest();
  rest.note(W0, 'm', 30_000, 'a', 0);
  rest.note(W1, 'm', 30_000, 'b', 10);
  rest.note(W0, 'm', 30_000, 'b', 20_000);
  expect(rest.awake([W0, W1], 'm', 20_001)).toEqual([W0, W1]);
});

test('a minute is the longest', () => {
  const rest = new AskedForRest();
  for (const body of ['a', 'b']) rest.note(W0, 'm', 3_600_000, body, 0);
  expect(rest.leftMs([W0], 'm', 0)).toBe(60_000);
});

test('a gateway says it of one model, an engine of all', () => {
  const gateway = { id: 'w2', view: { gateway: 'a'.repeat(32) } } as Worker;
  const rest = new AskedForRest();
  for (const worker of [W0, gateway]) for (const body of ['a', 'b']) rest.note(worker, 'm', 5_000, body, 0);
  expect(rest.awake([W0, W1, gateway], 'm', 1)).toEqual([W1]);
  expect(rest.awake([W0, W1, gateway], 'other', 1)).toEqual([W1, gateway]);
  expect([...rest.keys()]).toEqual(['w0', 'w2']);
  rest.delete('w2');
  expect([...rest.keys()]).toEqual(['w0']);
  expect(rest.awake([W0, gateway], 'm', 1)).toEqual([gateway]);
});
