import { describe, expect, test } from 'vitest';
import { chanceOfAtLeast, likelyShareAtMost, quantileAtMost, quantileOf } from '../../../gateway/canary/statistics.ts';
import { seededRandom } from '../../support/seeded-random.ts';

test.each([
  // By hand: 1 - 0.95^n, and the sums of small ones.
  { hits: 0, draws: 10, p: 0.05, chance: 1 },
  { hits: 1, draws: 10, p: 0.05, chance: 1 - 0.95 ** 10 },
  { hits: 10, draws: 10, p: 0.5, chance: 2 ** -10 },
  { hits: 2, draws: 3, p: 0.5, chance: 0.5 },
  { hits: 8, draws: 8, p: 0.05, chance: 0.05 ** 8 },
  { hits: 11, draws: 10, p: 0.5, chance: 0 },
  { hits: 1, draws: 10, p: 0, chance: 0 },
  { hits: 1, draws: 10, p: 1, chance: 1 },
  // Summed in exact fractions.
  { hits: 70, draws: 1_000, p: 0.05, chance: 0.0034743587 },
])('$hits or more of $draws at $p', ({ hits, draws, p, chance }) => {
  expect(chanceOfAtLeast(hits, draws, p)).toBeCloseTo(chance, 10);
});

test('shares that are likely come down as more is known', () => {
  expect(likelyShareAtMost(0, 0)).toBe(1);
  expect(likelyShareAtMost(0, 10)).toBeCloseTo(0.213, 3);
  expect(likelyShareAtMost(0, 1_000)).toBeCloseTo(0.0027, 4);
  expect(likelyShareAtMost(50, 100)).toBeCloseTo(0.581, 3);
  expect(likelyShareAtMost(10, 10)).toBe(1);
});

describe('a quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);

  test('by the nearest rank', () => {
    expect(quantileOf(hundred, 0.95)).toBe(95);
    expect(quantileOf([7], 0.95)).toBe(7);
    expect(quantileOf([], 0.95)).toBeNaN();
  });

  test('is at most the largest where few are known', () => {
    expect(quantileAtMost([1, 2, 3], 0.95)).toBe(3);
    expect(quantileAtMost([], 0.95)).toBeNaN();
  });

  test('is at most what is said in 95 of 100 cases', () => {
    const random = seededRandom(3);
    let held = 0;
    for (let i = 0; i < 1_000; i++) {
      const drawn = Array.from({ length: 200 }, () => random.next()).toSorted((a, b) => a - b);
      if (quantileAtMost(drawn, 0.95) >= 0.95) held++;
    }
    expect(held / 1_000).toBeGreaterThan(0.94);
    // And is no more careful than it has to be.
    expect(held / 1_000).toBeLessThan(0.99);
  });
});
