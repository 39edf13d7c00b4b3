import { expect, test } from 'vitest';
import { repeat, sleep } from '../../gateway/core/clock.ts';
import { createFakeClock } from './fake-clock.ts';

test('timers run in the order of their moments, and those set on the way run too', async () => {
  const clock = createFakeClock();
  const seen: [string, number][] = [];
  const start = clock.now();
  const note = (name: string): void => void seen.push([name, clock.now() - start]);
  clock.after(20, () => note('late'));
  clock.after(10, () => {
    note('early');
    clock.after(5, () => note('nested'));
  });
  const cancelled = clock.after(12, () => note('cancelled'));
  cancelled.cancel();
  await clock.advance(19);
  expect(seen).toEqual([
    ['early', 10],
    ['nested', 15],
  ]);
  await clock.advance(1);
  expect(seen.at(-1)).toEqual(['late', 20]);
  expect(clock.pending).toBe(0);
});

test('promises settle between timers, so a repeating task runs once a period', async () => {
  const clock = createFakeClock();
  let runs = 0;
  const timer = repeat(clock, 100, async () => {
    await sleep(clock, 50);
    runs += 1;
  });
  await clock.advance(450);
  expect(runs).toBe(3);
  timer.cancel();
  await clock.advance(1000);
  expect(runs).toBe(3);
});
