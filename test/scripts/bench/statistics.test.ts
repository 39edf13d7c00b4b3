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
  test('is the median of those of the rounds', () => {
    expect(ratio([20, 22, 21], [10, 11, 10])).toEqual({ kind: 'ratio', value: 2 });
  });

  test('does not mind a machine that becomes slower for both sides', () => {
    expect(ratio([100, 200, 150], [50, 100, 75])).toEqual({ kind: 'ratio', value: 2 });
  });

  test.each([
    ['the first side', [100, 130, 100], [10, 10, 10], 0.3],
    ['the second', [100, 100, 100], [10, 10, 8], 0.25 / 1],
    ['both, against each other', [100, 140], [14, 10], (2 * (14 - 100 / 14)) / (14 + 100 / 14)],
  ])('tells how far those of its rounds are apart, and is refused beyond a quarter: %s', (_, over, under, apart) => {
    const told = ratio(over, under);
    expect(told.kind).toBe(apart > 0.25 ? 'noisy' : 'ratio');
    if (told.kind === 'noisy') expect(told.spread).toBeCloseTo(apart);
  });

  test('does not mind one of five at either end', () => {
    expect(ratio([50, 100, 101, 102, 300], [10, 10, 10, 10, 10])).toEqual({ kind: 'ratio', value: 10.1 });
    expect(ratio([50, 50, 101, 102, 300], [10, 10, 10, 10, 10]).kind).toBe('noisy');
  });

  test('is told when they are a quarter apart and no more', () => {
    expect(ratio([100, 125, 100], [10, 10, 10])).toEqual({ kind: 'ratio', value: 10 });
  });

  test.each([
    ['one round has nothing to agree with', [100], [10]],
    ['one side was not measured', [100, 100], []],
    ['the other side cost nothing', [100, 100], [0, 0]],
  ])('is none where %s', (_, over, under) => {
    expect(ratio(over, under)).toEqual({ kind: 'none' });
  });
});
