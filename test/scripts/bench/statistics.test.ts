import { describe, expect, test } from 'vitest';
import { median, ratio, spread } from '../../../scripts/bench/statistics.ts';

describe('median and spread', () => {
  test.each([
    [[3, 1, 2], 2, 1],
    [[4, 1, 2, 3], 2.5, 1.2],
    [[10], 10, 0],
    [[5, 5, 5], 5, 0],
    [[0, 0], 0, 0],
  ])('of %j are %d and %d', (values, middle, apart) => {
    expect(median(values)).toBe(middle);
    expect(spread(values)).toBeCloseTo(apart);
  });
});

describe('a ratio', () => {
  test('is that of the medians', () => {
    expect(ratio([20, 22, 21], [10, 11, 10])).toEqual({ kind: 'ratio', value: 2.1 });
  });

  test.each([
    ['the first', [100, 130, 100], [10, 10, 10], 0.3],
    ['the second', [100, 100, 100], [10, 10, 12.6], 0.26],
    ['both, the worse counts', [100, 140], [10, 13], 40 / 120],
  ])('is refused where the rounds of one side are more than a quarter apart: %s', (_, over, under, apart) => {
    const refused = ratio(over, under);
    expect(refused.kind).toBe('noisy');
    expect(refused).toHaveProperty('spread', expect.closeTo(apart));
  });

  test('is told when the rounds are a quarter apart and no more', () => {
    expect(ratio([100, 125, 100], [10, 10])).toEqual({ kind: 'ratio', value: 10 });
  });

  test.each([
    ['one round has nothing to agree with', [100], [10]],
    ['one side was not measured', [100, 100], []],
    ['the other side cost nothing', [100, 100], [0, 0]],
  ])('is none where %s', (_, over, under) => {
    expect(ratio(over, under)).toEqual({ kind: 'none' });
  });
});
