/** What a set of values looks like. NaN in all of them where there are none. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Values that are no number are left out: a call that had no first token has no time to it. */
export function distributionOf(values: Iterable<number>): Distribution {
  const sorted = Float64Array.from([...values].filter((value) => !Number.isNaN(value))).toSorted();
  const count = sorted.length;
  if (count === 0) return { count: 0, mean: NaN, std: NaN, min: NaN, p50: NaN, p90: NaN, p95: NaN, p99: NaN, max: NaN };
  const mean = sorted.reduce((sum, value) => sum + value, 0) / count;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  const at = (share: number): number => percentile(sorted, share);
  const [p50, p90, p95, p99] = [at(0.5), at(0.9), at(0.95), at(0.99)];
  return { count, mean, std: Math.sqrt(variance), min: sorted[0]!, p50, p90, p95, p99, max: sorted[count - 1]! };
}

/** The value below which this share of the sorted values lies, between two neighbours by straight line, as numpy has it. NaN for none. */
export function percentile(sorted: Float64Array | readonly number[], share: number): number {
  if (sorted.length === 0) return NaN;
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  return low + (sorted[Math.min(below + 1, sorted.length - 1)]! - low) * (at - below);
}
