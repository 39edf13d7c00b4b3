import { expect, test } from 'vitest';
import { backOffMs } from '../../../gateway/core/back-off.ts';

const failures = [0, 1, 2, 3, 4, 5, 5_000];

test('a wait doubles up to the longest, however often it has failed', () => {
  expect(failures.map((earlier) => backOffMs({ firstMs: 500, longestMs: 5000 }, earlier))).toEqual([
    500, 1000, 2000, 4000, 5000, 5000, 5000,
  ]);
});

test('a wait goes along its row, whose last stands for all that follow', () => {
  expect(failures.map((earlier) => backOffMs([10, 30, 300], earlier))).toEqual([10, 30, 300, 300, 300, 300, 300]);
  expect(backOffMs([], 3)).toBe(0);
});

test('a wait is spread to both sides of its middle, and never past the longest', () => {
  const at = (chance: number, earlier: number) =>
    Math.round(backOffMs({ firstMs: 1000, longestMs: 4000 }, earlier, { random: { next: () => chance }, share: 0.2 }));
  expect([at(0, 0), at(0.5, 0), at(0.75, 0)]).toEqual([800, 1000, 1100]);
  expect([at(0, 2), at(0.5, 2), at(0.75, 2), at(0, 5_000)]).toEqual([3200, 4000, 4000, 4000]);
});
