import { describe, expect, test } from 'vitest';
import { comparePairs, confidenceOfEach, fewestBlocksOf, type Judging } from '../../../scripts/abtest/figures/comparison.ts';
import { centreInterval, fewestBlocks } from '../../../scripts/abtest/figures/interval.ts';
import type { Metric } from '../../../scripts/abtest/figures/metric.ts';
import { blocksNeeded, normalQuantile } from '../../../scripts/abtest/figures/needed.ts';
import { normal } from '../../../scripts/load/workload/distributions.ts';
import { seeded } from '../../../scripts/load/workload/seeded.ts';
import { calledDifferent, isCalled, madeTest, TAILS } from '../../../scripts/shows/abtest-chance.ts';
import { quietOf } from '../../../scripts/shows/abtest-finds.ts';

const E2E: Metric = { kind: 'time', time: 'e2e', shape: 'p95' };
const JUDGING: Judging = { arms: 2, judged: [E2E], confidence: 0.95, slo: {}, seed: 1 };

describe('intervals of the centre', () => {
  test('are the means of all subsets, without the outermost', () => {
    // Subsets of 1, 2, 4: 1, 1.5, 2, 7/3, 2.5, 3, 4. Of 8 equal parts of chance one lies beyond each end.
    expect(centreInterval([4, 1, 2], 0.75, seeded(1))).toEqual({ low: 1, high: 4 });
    expect(centreInterval([4, 1, 2], 0.5, seeded(1))).toEqual({ low: 1.5, high: 3 });
    expect(centreInterval([4, 1, 2], 0.8, seeded(1))).toEqual({ low: -Infinity, high: Infinity });
  });

  test('have an end from as many blocks on as chance alone could not have agree', () => {
    expect(fewestBlocks(0.95)).toBe(6);
    expect(fewestBlocks(0.75)).toBe(3);
    expect(fewestBlocksOf({ arms: 3, judged: [E2E, E2E, E2E], confidence: 0.95 })).toBe(8);
    for (const blocks of [5, 6]) {
      const { low } = centreInterval(new Array<number>(blocks).fill(1), 0.95, seeded(1));
      expect(low).toBe(blocks < fewestBlocks(0.95) ? -Infinity : 1);
    }
  });

  test('cover the centre as often as they say, of few blocks and of many', () => {
    for (const [blocks, tests] of [
      [9, 1000],
      [16, 200],
    ] as const) {
      const uniform = seeded(5);
      let covered = 0;
      for (let i = 0; i < tests; i++) {
        const { low, high } = centreInterval(
          Array.from({ length: blocks }, () => 3 + TAILS['with tails of Cauchy'](uniform)),
          0.9,
          uniform,
        );
        if (low < 3 && high > 3) covered += 1;
      }
      expect(Math.abs(covered / tests - 0.9)).toBeLessThan(4 * Math.sqrt((0.9 * 0.1) / tests) + 2 ** (1 - blocks));
    }
  });
});

describe('tests of nothing', () => {
  test.each(Object.entries(TAILS))('%s: no more than 5 % call anything different', (_name, tail) => {
    // What chance does to a share of 3,000 is 0.004; three times that.
    const share = calledDifferent({ arms: 3, blocks: 8, tail, effect: 0, confidence: 0.95 }, 3000, 8);
    expect(share).toBeLessThanOrEqual(0.05 + 0.012);
  });

  test('would call more than that if each interval took no heed of the others', () => {
    const tail = TAILS['lognormal, of deviation 1'];
    // One interval of six at this confidence is one of 95 % by itself.
    expect(confidenceOfEach({ arms: 3, judged: [E2E, E2E, E2E], confidence: 0.7 })).toBeCloseTo(0.95);
    expect(calledDifferent({ arms: 3, blocks: 8, tail, effect: 0, confidence: 0.7 }, 1000, 3)).toBeGreaterThan(0.1);
  });
});

describe('a show of tests of nothing', () => {
  const pairs = (other: number) => Array.from({ length: 8 }, (_, i) => [100 + i, (100 + i) * other] as const);
  const result = (problems: readonly string[], other = 1, stopped: string | null = null) => ({
    ...{ comparisons: [comparePairs(E2E, 1, pairs(other), JUDGING)], trust: { problems, notes: [] }, stopped, wasInterrupted: false },
  });
  const quiet = (count: number) => Array.from({ length: count }, () => result([]));

  test('holds where nearly all are valid and call nothing', () => {
    expect(quietOf(quiet(20))).toEqual({ called: 0, invalid: 0, isQuiet: true });
    expect(quietOf([...quiet(18), result([], 2), result([], 2)])).toEqual({ called: 2, invalid: 0, isQuiet: true });
    expect(quietOf([...quiet(15), ...Array.from({ length: 5 }, () => result(['late']))])).toMatchObject({ invalid: 5, isQuiet: true });
  });
  test('does not hold where more than a quarter were not valid, or stopped, however quiet they were', () => {
    expect(quietOf([...quiet(14), ...Array.from({ length: 6 }, () => result(['late']))])).toMatchObject({ invalid: 6, isQuiet: false });
    expect(quietOf(Array.from({ length: 4 }, () => result([], 1, 'it does not answer')))).toMatchObject({ invalid: 4, isQuiet: false });
  });
  test('does not hold where more than two called something, valid or not', () => {
    expect(quietOf([...quiet(17), result([], 2), result([], 2), result(['late'], 2)])).toMatchObject({ called: 3, isQuiet: false });
  });
});

describe('an effect that is there', () => {
  test('is found when it is large, and its interval holds it', () => {
    const uniform = seeded(9);
    const made = { arms: 2, blocks: 12, tail: (u: () => number) => 0.1 * normal(u), effect: Math.log(1.3), confidence: 0.95 };
    const tests = Array.from({ length: 200 }, () => madeTest(made, uniform));
    const found = tests.filter(([ttft]) => ttft!.shown === 'worse').length;
    expect(found).toBeGreaterThan(180);
    const held = tests.filter(([ttft]) => ttft!.interval.low < 0.3 && ttft!.interval.high > 0.3).length;
    expect(held).toBeGreaterThan(188);
    expect(tests.flat().every(agrees)).toBe(true);
  });

  test('is found four times of five with as many blocks as are said to be needed', () => {
    const blocks = blocksNeeded(0.06, Math.log(1.05), 0.95);
    expect(blocks).toBeGreaterThan(12);
    const uniform = seeded(2);
    let found = 0;
    for (let i = 0; i < 300; i++) {
      const pairs = Array.from({ length: blocks }, () => [1, Math.exp(Math.log(1.05) + 0.06 * normal(uniform))] as const);
      if (isCalled(comparePairs(E2E, 1, pairs, { ...JUDGING, seed: i }))) found += 1;
    }
    expect(Math.abs(found / 300 - 0.8)).toBeLessThan(0.1);
  });

  test('quantiles are those of the tables', () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.96, 2);
    expect(normalQuantile(0.8)).toBeCloseTo(0.8416, 2);
  });
});

function agrees({ interval: { low, high }, shown, metric }: ReturnType<typeof comparePairs>): boolean {
  const above = low > 0;
  const below = high < 0;
  const isMore = metric.kind === 'throughput';
  if (above) return shown === (isMore ? 'better' : 'worse');
  return shown === (below ? (isMore ? 'worse' : 'better') : 'none');
}
