import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FREE_PACE, paced, type Pace } from '../../../../gateway/batches/runner/pace.ts';

const after = (pace: Pace, seen: Parameters<typeof paced>[1], running: number, now: number): Pace => paced(pace, seen, running, now);

test('without interactive calls lines have all there is, and again some seconds after the last', () => {
  expect(after(FREE_PACE, null, 50, 0).most).toBe(Infinity);
  const held = after(FREE_PACE, { waitedMs: 100, firstMs: null }, 50, 1_000);
  expect(held.most).toBe(25);
  expect(after(held, null, 25, 3_999).most).toBe(25);
  expect(after(held, null, 25, 4_000).most).toBe(Infinity);
});

test('a call that had to wait halves them; calls that are served as they were at best let them grow, one by one', () => {
  let pace = after(FREE_PACE, { waitedMs: 0, firstMs: 100 }, 40, 0);
  expect(pace.most).toBe(40);
  pace = after(pace, { waitedMs: 0, firstMs: 251 }, 40, 1_000);
  expect(pace.most).toBe(20);
  pace = after(pace, { waitedMs: 0, firstMs: 200 }, 20, 2_000);
  expect(pace.most).toBe(21);
  // An allowance that is not used says nothing.
  pace = after(pace, { waitedMs: 0, firstMs: 100 }, 5, 3_000);
  expect(pace.most).toBe(21);
});

test('what was best is forgotten after ten minutes at most', () => {
  let pace = after(FREE_PACE, { waitedMs: 0, firstMs: 10 }, 8, 0);
  for (let now = 300_000; now <= 600_000; now += 300_000) pace = after(pace, { waitedMs: 0, firstMs: 500 }, pace.most, now);
  const most = pace.most;
  expect(after(pace, { waitedMs: 0, firstMs: 500 }, most, 601_000).most).toBeGreaterThan(most);
});

test('one line may always run', () => {
  const looks = fc.array(
    fc.record({ waitedMs: fc.nat(1_000), firstMs: fc.option(fc.nat(10_000)), running: fc.nat(300), quiet: fc.boolean() }),
  );
  fc.assert(
    fc.property(looks, (all) => {
      let pace = FREE_PACE;
      all.forEach(({ quiet, running, ...seen }, at) => (pace = paced(pace, quiet ? null : seen, running, at * 1_000)));
      expect(pace.most).toBeGreaterThanOrEqual(1);
    }),
  );
});
