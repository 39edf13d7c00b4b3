import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlidingWindow, type Taken } from '../../../../gateway/policies/limits/sliding-window.ts';

const SPAN = 60_000;

describe('a window that slides', () => {
  test('is exact at the boundary', () => {
    const window = new SlidingWindow(SPAN);
    for (let i = 0; i < 3; i++) {
      expect(window.waitMs(1, 3, 1_000)).toBe(0);
      window.take(1, 1_000);
    }
    expect(window.waitMs(1, 3, 1_000)).toBe(SPAN);
    expect(window.waitMs(1, 3, 60_999.5)).toBe(1);
    expect(window.used(60_999.9)).toBe(3);
    expect(window.waitMs(1, 3, 61_000)).toBe(0);
  });

  test('lets no more than the limit through a minute that begins in the middle', () => {
    const window = new SlidingWindow(SPAN);
    for (let i = 0; i < 10; i++) window.take(1, 59_000);
    // A fixed window would begin anew at 60 s, a bucket would be a third full again at 79 s.
    expect(window.waitMs(1, 10, 79_000)).toBe(40_000);
  });

  test('says how long to wait for an amount, and never for more than the limit', () => {
    const window = new SlidingWindow(SPAN);
    window.take(50, 0);
    window.take(40, 10_000);
    expect(window.waitMs(10, 100, 10_000)).toBe(0);
    expect(window.waitMs(11, 100, 10_000)).toBe(50_000);
    expect(window.waitMs(60, 100, 10_000)).toBe(50_000);
    expect(window.waitMs(61, 100, 10_000)).toBe(60_000);
    expect(window.waitMs(101, 100, 10_000)).toBe(Infinity);
    expect(window.waitMs(1, 0, 10_000)).toBe(Infinity);
    expect(window.emptyInMs(10_000)).toBe(60_000);
  });

  test('gives back what was not used, takes what was used more, and forgets what is long gone', () => {
    const window = new SlidingWindow(SPAN);
    const first = window.take(100, 0);
    window.settle(first, 30, 5_000);
    expect(window.used(5_000)).toBe(30);
    const second = window.take(10, 6_000);
    window.settle(second, 25, 7_000);
    expect(window.used(7_000)).toBe(55);
    const third = window.take(10, 8_000);
    window.settle(third, 0, 100_000);
    expect(window.used(100_000)).toBe(0);
    // What was used beyond the estimate is taken as it becomes known.
    window.settle(third, 15, 100_000);
    expect(window.used(100_000)).toBe(5);
  });

  test('does not go back with a clock that does', () => {
    const window = new SlidingWindow(SPAN);
    window.take(5, 100_000);
    expect(window.used(50_000)).toBe(5);
    expect(window.waitMs(1, 5, 50_000)).toBe(SPAN);
    window.take(1, 0);
    expect(window.used(160_000)).toBe(0);
  });

  interface Step {
    readonly afterMs: number;
    readonly amount: number;
    readonly usedShare: number;
    readonly settleLater: boolean;
  }
  const steps = fc.array(
    fc.record<Step>({
      afterMs: fc.oneof(fc.integer({ min: 0, max: 990 }), fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 58_900, max: 60_100 })),
      amount: fc.integer({ min: 0, max: 40 }),
      usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
      settleLater: fc.boolean(),
    }),
    { maxLength: 120 },
  );

  test('never lets more than the limit through any span, and tells a wait that is enough and not a second too long', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 100 }), (history, limit) => {
        const window = new SlidingWindow(SPAN);
        const taken: { at: number; amount: number }[] = [];
        let now = 0;
        for (const { afterMs, amount } of history) {
          now += afterMs;
          const waitMs = window.waitMs(amount, limit, now);
          const held = (from: number) => taken.reduce((sum, each) => sum + (each.at > from && each.at <= now ? each.amount : 0), 0);
          if (waitMs === 0) {
            window.take(amount, now);
            taken.push({ at: now, amount });
            expect(held(now - SPAN)).toBeLessThanOrEqual(limit);
          } else if (waitMs !== Infinity) {
            // It would not have fitted, give or take the grain.
            expect(held(now - SPAN - SPAN / 60) + amount).toBeGreaterThan(limit);
            const then = new SlidingWindow(SPAN);
            for (const each of taken) then.take(each.amount, each.at);
            expect(then.waitMs(amount, limit, now + waitMs)).toBe(0);
          } else expect(amount).toBeGreaterThan(limit);
        }
      }),
    );
  });

  test('what was taken less what was given back is what was used', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const window = new SlidingWindow(1e12);
        const open: { taken: Taken; used: number }[] = [];
        let now = 0;
        let used = 0;
        for (const { afterMs, amount, usedShare, settleLater } of history) {
          now += afterMs;
          const call = { taken: window.take(amount, now), used: Math.round(amount * usedShare * 1.5) };
          used += call.used;
          if (settleLater) open.push(call);
          else window.settle(call.taken, call.used, now);
        }
        for (const call of open.toReversed()) window.settle(call.taken, call.used, now);
        expect(window.used(now)).toBe(used);
      }),
    );
  });
});
