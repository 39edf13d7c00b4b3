import { expect, test } from 'vitest';
import { Rationed } from '../../../gateway/workers/rationed.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

test('work that takes long rests four times as long, and what comes meanwhile is done once, after it', async () => {
  const clock = createFakeClock();
  const done: number[] = [];
  let takesMs = 10;
  const work = new Rationed(
    {
      ...clock,
      // Time passes in the midst of it.
      now: () => clock.now() + (done.length === 0 ? 0 : spent),
    },
    () => {
      done.push(clock.now());
      spent += takesMs;
    },
  );
  let spent = 0;
  work.soon();
  expect(done).toHaveLength(1);
  for (let n = 0; n < 100; n++) work.soon();
  await clock.advance(39);
  expect(done).toHaveLength(1);
  await clock.advance(1);
  expect(done).toHaveLength(2);
  // What cannot wait does not, and takes with it what was planned.
  work.soon();
  work.now();
  expect(done).toHaveLength(3);
  await clock.advance(300);
  expect(done).toHaveLength(3);
  takesMs = 10_000;
  work.now();
  work.soon();
  await clock.advance(250);
  expect(done).toHaveLength(5);
  work.soon();
  work.close();
  expect(clock.pending).toBe(0);
});

test('work that takes no time is done each time', () => {
  const clock = createFakeClock();
  let done = 0;
  const work = new Rationed(clock, () => done++);
  for (let n = 0; n < 5; n++) work.soon();
  expect([done, clock.pending]).toEqual([5, 0]);
});
