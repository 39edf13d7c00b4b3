import { expect, test } from 'vitest';
import { jitter, systemRandom } from '../../../gateway/core/random.ts';
import { seededRandom } from '../../support/seeded-random.ts';

test('a seed repeats its sequence, and another seed has another', () => {
  const take = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 5 }, () => random.next());
  };
  expect(take(7)).toEqual(take(7));
  expect(take(7)).not.toEqual(take(8));
});

test.each([
  ['seeded', seededRandom(3)],
  ['of the system', systemRandom],
])('numbers %s lie in [0, 1) and fill it evenly', (_, random) => {
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < 20_000; i++) {
    const value = random.next();
    expect(value >= 0 && value < 1).toBe(true);
    tenths[Math.floor(value * 10)]!++;
  }
  for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(400);
});

test('jitter stays within its share on both sides', () => {
  expect(jitter({ next: () => 0 }, 100, 0.2)).toBeCloseTo(80);
  expect(jitter({ next: () => 0.5 }, 100, 0.2)).toBeCloseTo(100);
  expect(jitter({ next: () => 0.999_999 }, 100, 0.2)).toBeLessThan(120);
  expect(jitter({ next: () => 0.9 }, 100, 0)).toBe(100);
});
