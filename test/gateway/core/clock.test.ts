import { describe, expect, test } from 'vitest';
import { repeat, sleep, systemClock } from '../../../gateway/core/clock.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

describe('repeat', () => {
  test('waits its period after each run has finished', async () => {
    const clock = createFakeClock();
    const start = clock.now();
    const runs: number[] = [];
    repeat(clock, 100, async () => {
      runs.push(clock.now() - start);
      await sleep(clock, 30);
    });
    await clock.advance(400);
    expect(runs).toEqual([100, 230, 360]);
  });

  test('cancelled during a run it does not run again, and leaves no timer', async () => {
    const clock = createFakeClock();
    let runs = 0;
    const timer = repeat(clock, 10, async () => {
      runs++;
      timer.cancel();
      await sleep(clock, 5);
    });
    await clock.advance(1_000);
    expect([runs, clock.pending]).toEqual([1, 0]);
  });
});

describe('the system clock', () => {
  test('runs what is due, once, and not what was cancelled', async () => {
    const ran: string[] = [];
    const cancelled = systemClock.after(1, () => ran.push('cancelled'));
    cancelled.cancel();
    cancelled.cancel();
    // Timers of the system clock do not keep the process alive, but this test does.
    const keepAlive = setInterval(() => {}, 1_000);
    await new Promise<void>((resolve) => {
      const timer = systemClock.after(5, () => {
        ran.push('due');
        timer.cancel();
        systemClock.after(20, resolve);
      });
    });
    clearInterval(keepAlive);
    expect(ran).toEqual(['due']);
  });

  test('is monotonic, and its wall is the time of day', () => {
    const before = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
    expect(Math.abs(systemClock.wall() - Date.now())).toBeLessThan(60_000);
  });
});
