import { expect, test } from 'vitest';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { setUp } from './admission-scene.ts';

// Calls of the lower class give their places back to those that would have to wait for them, here or in the engine.

test('a call that finds no place asks one of the lower class for its own, and takes it as soon as it is free', async () => {
  const t = setUp({ slots: 2 });
  t.enter({ id: 'line-1', priority: 'batch' });
  t.enter({ id: 'line-2', priority: 'batch' });
  await t.settle();
  expect(t.admission.spare(MODEL)).toBe(0);
  t.enter({ id: 'chat' });
  expect(t.short).toEqual([1]);
  t.leave('line-2');
  await t.settle();
  expect(t.order).toEqual(['line-1', 'line-2', 'chat']);
});

test('so does one that finds a place, and would wait at the worker: headroom is no room for lines', async () => {
  const t = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 4 })], headroom: 0.5 });
  for (const id of ['1', '2', '3', '4']) t.enter({ id, priority: 'batch' });
  await t.settle();
  expect(t.admission.spare(MODEL)).toBe(0);
  expect(t.short).toEqual([]);
  t.enter({ id: 'chat' });
  expect(t.order).toHaveLength(4);
  await t.settle();
  expect(t.order.at(-1)).toBe('chat');
  expect(t.short).toEqual([1]);
  expect(t.admission.spare(MODEL)).toBe(-1);
});

test('nobody is asked where calls of the lower class have no places', async () => {
  const t = setUp({ slots: 1 });
  t.enter({ id: 'a' });
  t.enter({ id: 'b' });
  await t.clock.advance(1_000);
  expect(t.short).toEqual([]);
});
