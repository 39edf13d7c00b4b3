import { distributionOf } from '../../load/figures/distribution.ts';
import type { Slo } from '../../load/figures/slo.ts';
import { seededFor } from '../../load/workload/seeded.ts';
import { centreInterval, fewestBlocks, type Interval } from './interval.ts';
import { goodSign, isRatio, type Metric, valueOf } from './metric.ts';
import { blocksNeeded } from './needed.ts';
import type { Slot } from './slot.ts';

/** An arm against the baseline in one metric. */
export interface Comparison {
  readonly metric: Metric;
  readonly arm: number;
  /** Of each block that has both: the baseline's figure and the arm's. */
  readonly pairs: readonly (readonly [base: number, other: number])[];
  /** The mean of each over the blocks; a geometric one where ratios are compared. */
  readonly base: number;
  readonly other: number;
  /** By how much the arm lies above the baseline: as a share of it (0.05: 5 %), but for errors, where it is the difference of shares. */
  readonly effect: number;
  /** Together with those of all other judged comparisons, at the confidence asked for. */
  readonly interval: Interval;
  /** `none`: no difference was shown. `unknown`: there are too few blocks for any to be. */
  readonly shown: 'better' | 'worse' | 'none' | 'unknown';
  /** Blocks of which a difference of `neededFor` (5 %; of errors one in a hundred calls) would be shown, four times of five. */
  readonly blocksNeeded: number;
  readonly neededFor: number;
}

/** Further apart than this is nothing against something, as logarithm. */
const FARTHEST = 20;
const SIZE = 0.05;
const SIZE_OF_ERRORS = 0.01;

export interface Judging {
  readonly arms: number;
  readonly judged: readonly Metric[];
  /** Of all judged comparisons together. */
  readonly confidence: number;
  readonly slo: Slo;
  readonly seed: number;
}

/** The confidence of each interval, by which all judged ones together hold with the one asked for (Bonferroni). */
export function confidenceOfEach({ arms, judged, confidence }: Pick<Judging, 'arms' | 'judged' | 'confidence'>): number {
  return 1 - (1 - confidence) / Math.max(1, (arms - 1) * judged.length);
}

/** The fewest blocks with which such a test can show anything. */
export function fewestBlocksOf(judging: Pick<Judging, 'arms' | 'judged' | 'confidence'>): number {
  return fewestBlocks(confidenceOfEach(judging));
}

/** Slots by block and arm, of blocks that are whole. */
export function wholeBlocks(slots: readonly Slot[], arms: number): readonly (readonly Slot[])[] {
  return [...Map.groupBy(slots, ({ block }) => block).values()]
    .filter((block) => block.length === arms)
    .map((block) => block.toSorted((a, b) => a.arm - b.arm));
}

/** Each arm but the first against the first. */
export function compare(blocks: readonly (readonly Slot[])[], metrics: readonly Metric[], judging: Judging): Comparison[] {
  return metrics.flatMap((metric) => {
    const values = blocks.map((block) => block.map((slot) => valueOf(metric, slot, judging.slo)));
    return Array.from({ length: judging.arms - 1 }, (_, i) => {
      const both = values.map((of) => [of[0]!, of[i + 1]!] as const);
      return comparePairs(metric, i + 1, both, judging);
    });
  });
}

/** The comparison of figures that were taken in pairs. */
export function comparePairs(metric: Metric, arm: number, all: Comparison['pairs'], judging: Judging): Comparison {
  const pairs = all.filter((pair) => !pair.some(Number.isNaN));
  const confidence = confidenceOfEach(judging);
  const ratio = isRatio(metric);
  const mean = ratio ? geometricMean : arithmeticMean;
  const [base, other] = [mean(pairs.map(([value]) => value)), mean(pairs.map(([, value]) => value))];
  const apart = pairs.map(ratio ? logRatio : difference);
  const inLogs = centreInterval(apart, confidence, seededFor(judging.seed, arm, 'subsets'));
  const { mean: centre, std } = distributionOf(apart);
  // Of a share of nothing nothing can be said.
  const unit = ratio || metric.kind === 'errors' || base === 0 ? 1 : base;
  const shownAs = (value: number): number => (ratio ? Math.exp(value) - 1 : value / unit);
  const neededFor = metric.kind === 'errors' ? SIZE_OF_ERRORS : SIZE;
  const deviation = apart.length < 2 ? NaN : std * Math.sqrt(apart.length / (apart.length - 1));
  return {
    ...{ metric, arm, pairs, base, other },
    effect: shownAs(centre),
    interval: { low: shownAs(inLogs.low), high: shownAs(inLogs.high) },
    shown: verdictOf(inLogs, goodSign(metric)),
    blocksNeeded: blocksNeeded(deviation, ratio ? Math.log1p(neededFor) : neededFor * unit, confidence),
    neededFor,
  };
}

/** From the interval and nothing else, so that the two never disagree. */
function verdictOf({ low, high }: Interval, sign: 1 | -1): Comparison['shown'] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return 'unknown';
  if (low > 0) return sign > 0 ? 'better' : 'worse';
  if (high < 0) return sign > 0 ? 'worse' : 'better';
  return 'none';
}

function logRatio([base, other]: readonly [number, number]): number {
  const ratio = Math.log(other) - Math.log(base);
  return Number.isNaN(ratio) ? 0 : Math.max(-FARTHEST, Math.min(FARTHEST, ratio));
}

function difference([base, other]: readonly [number, number]): number {
  return other - base;
}

function arithmeticMean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(arithmeticMean(values.map(Math.log)));
}
