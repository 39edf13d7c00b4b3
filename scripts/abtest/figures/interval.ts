import type { Uniform } from '../../load/workload/seeded.ts';

/** Of so many pairs every subset is looked at (8,191); of more, as many subsets of chance. */
const MOST_WHOLE = 13;
const SUBSETS = 9_999;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Where the centre of these differences lies, with this confidence (J. A. Hartigan, "Using subsample values as typical values", 1969): the
 * means of all subsets, without the outermost. It is the test by flipping signs turned around: of differences that are independent and each
 * symmetric about the centre it covers that as often as it says, or a little more often, because only whole subsets can be left out; however
 * heavy their tails and however few they are. Those of two arms that are the same are symmetric by the chance of their order. Those of arms
 * that differ need not be, and then it holds only nearly. Infinite where there are too few differences to say anything.
 */
export function centreInterval(differences: readonly number[], confidence: number, uniform: Uniform): Interval {
  const means = subsetMeans(differences, uniform);
  // Rounded up by less than any count: 1 − 0.95 is not quite 0.05.
  const outside = Math.floor(((1 - confidence) / 2) * (means.length + 1) + 1e-9);
  if (outside < 1) return { low: -Infinity, high: Infinity };
  return { low: means[outside - 1]!, high: means[means.length - outside]! };
}

/** The fewest differences of which an interval of this confidence has an end. */
export function fewestBlocks(confidence: number): number {
  return Math.ceil(Math.log2(2 / (1 - confidence)) - 1e-9);
}

/** Sorted; of each subset but the empty one. */
function subsetMeans(values: readonly number[], uniform: Uniform): Float64Array {
  const count = values.length;
  if (count > MOST_WHOLE) return Float64Array.from({ length: SUBSETS }, () => meanOfChance(values, uniform)).toSorted();
  const means = new Float64Array(2 ** count - 1);
  const sums = new Float64Array(2 ** count);
  const sizes = new Uint8Array(2 ** count);
  for (let subset = 1; subset < 2 ** count; subset++) {
    const rest = subset & (subset - 1);
    sums[subset] = sums[rest]! + values[31 - Math.clz32(subset ^ rest)]!;
    sizes[subset] = sizes[rest]! + 1;
    means[subset - 1] = sums[subset]! / sizes[subset]!;
  }
  return means.toSorted();
}

function meanOfChance(values: readonly number[], uniform: Uniform): number {
  for (;;) {
    let [sum, size] = [0, 0];
    for (const value of values) {
      if (uniform() < 0.5) continue;
      sum += value;
      size += 1;
    }
    if (size > 0) return sum / size;
  }
}
