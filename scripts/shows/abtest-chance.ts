import { type Comparison, comparePairs, type Judging } from '../abtest/figures/comparison.ts';
import type { Metric } from '../abtest/figures/metric.ts';
import { exponential, normal } from '../load/workload/distributions.ts';
import { seeded, type Uniform } from '../load/workload/seeded.ts';

const TTFT: Metric = { kind: 'time', time: 'ttft', shape: 'p95' };
const METRICS: readonly Metric[] = [TTFT, { kind: 'time', time: 'e2e', shape: 'p95' }, { kind: 'throughput' }];

/** How the figures of one slot scatter: as the logarithm of a time, of deviation 1 where it has one. */
export const TAILS = {
  'lognormal, of deviation 1': normal,
  'with tails of Student’s t of 2 degrees': (uniform: Uniform): number => normal(uniform) / Math.sqrt(exponential(uniform)),
  'with tails of Cauchy': (uniform: Uniform): number => Math.tan(Math.PI * (uniform() - 0.5)),
  'one slot of eight ten times as slow': (uniform: Uniform): number => 0.1 * normal(uniform) + (uniform() < 0.125 ? Math.log(10) : 0),
} as const;

export interface MadeTest {
  readonly arms: number;
  readonly blocks: number;
  readonly tail: (uniform: Uniform) => number;
  /** What the last arm's times are longer by, as logarithm. */
  readonly effect: number;
  readonly confidence: number;
}

/** The comparisons of a test whose figures are made: blocks that drift, metrics of a slot that go together, an effect that is known. */
export function madeTest({ arms, blocks, tail, effect, confidence }: MadeTest, uniform: Uniform): Comparison[] {
  const judging: Judging = { arms, judged: METRICS, confidence, slo: {}, seed: Math.floor(uniform() * 2 ** 31) };
  const made = Array.from({ length: blocks }, () => {
    const drift = 2 * tail(uniform);
    return Array.from({ length: arms }, (_, arm) => {
      const own = tail(uniform);
      return METRICS.map(() => Math.exp(clamped(drift + own + 0.5 * tail(uniform) + (arm === arms - 1 ? effect : 0))));
    });
  });
  return METRICS.flatMap((metric, m) =>
    Array.from({ length: arms - 1 }, (_, i) =>
      comparePairs(
        metric,
        i + 1,
        made.map((block) => [block[0]![m]!, block[i + 1]![m]!] as const),
        judging,
      ),
    ),
  );
}

/** No time is shorter or longer than a number can say. */
function clamped(value: number): number {
  return Math.max(-300, Math.min(300, value));
}

/** The share of made tests in which anything was called different. */
export function calledDifferent(made: MadeTest, tests: number, seed: number): number {
  const uniform = seeded(seed);
  let called = 0;
  for (let i = 0; i < tests; i++) if (madeTest(made, uniform).some(isCalled)) called += 1;
  return called / tests;
}

export function isCalled({ shown }: Comparison): boolean {
  return shown === 'better' || shown === 'worse';
}
