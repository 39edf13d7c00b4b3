import { expect, test } from 'vitest';
import type { Worker } from '../../../../gateway/core/worker.ts';
import { AskedForRest } from '../../../../gateway/policies/dispatch/asked-for-rest.ts';

const [W0, W1] = [{ id: 'w0' } as Worker, { id: 'w1' } as Worker];

test('a worker that told two different bodies to come later is asked by nobody until then', () => {
  const rest = new AskedForRest();
  rest.note('w0', 5_000, 'a', 0);
  expect(rest.awake([W0, W1], 1)).toEqual([W0, W1]);
  rest.note('w0', 5_000, 'b', 100);
  expect(rest.awake([W0, W1], 5_099)).toEqual([W1]);
  expect(rest.leftMs([W0], 1_100)).toBe(4_000);
  expect(rest.awake([W0, W1], 5_100)).toEqual([W0, W1]);
});

test('one body that is told so again and again keeps nobody else from it', () => {
  const rest = new AskedForRest();
  for (let i = 0; i < 100; i++) rest.note('w0', 30_000, 'a', i * 100);
  expect(rest.awake([W0], 10_000)).toEqual([W0]);
});

test('nor do two of which one was told long ago, or at another worker', () => {
  const rest = new AskedForRest();
  rest.note('w0', 30_000, 'a', 0);
  rest.note('w1', 30_000, 'b', 10);
  rest.note('w0', 30_000, 'b', 20_000);
  expect(rest.awake([W0, W1], 20_001)).toEqual([W0, W1]);
});

test('a minute is the longest', () => {
  const rest = new AskedForRest();
  for (const body of ['a', 'b']) rest.note('w0', 3_600_000, body, 0);
  expect(rest.leftMs([W0], 0)).toBe(60_000);
});
