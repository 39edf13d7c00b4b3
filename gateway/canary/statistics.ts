// Tests that need no shape of what is measured. Latencies have none that holds from one machine to the next.

/** The chance of at least `hits` in `draws` when each is one with chance `p`: how surprising so many are. */
export function chanceOfAtLeast(hits: number, draws: number, p: number): number {
  if (hits <= 0) return 1;
  if (hits > draws || p <= 0) return 0;
  if (p >= 1) return 1;
  let sum = 0;
  // From the first term on in logarithms, since the terms of many draws are too small for numbers.
  let term = logChoose(draws, hits) + hits * Math.log(p) + (draws - hits) * Math.log1p(-p);
  for (let k = hits; k <= draws; k++) {
    sum += Math.exp(term);
    if (k < draws) term += Math.log((draws - k) / (k + 1)) + Math.log(p) - Math.log1p(-p);
  }
  return Math.min(1, sum);
}

/** The largest share that `hits` of `draws` are still likely with: Wilson's bound, one-sided at 95 %. 1 where nothing was drawn. */
export function likelyShareAtMost(hits: number, draws: number): number {
  if (draws === 0) return 1;
  const share = hits / draws;
  const z2 = Z_95 * Z_95;
  const middle = share + z2 / (2 * draws);
  const margin = Z_95 * Math.sqrt((share * (1 - share)) / draws + z2 / (4 * draws * draws));
  return Math.min(1, (middle + margin) / (1 + z2 / draws));
}

/**
 * A value that the quantile of where these come from is at most, with 95 % confidence: one of them, by their order alone. The largest where
 * they are too few to say. NaN of none.
 */
export function quantileAtMost(sorted: readonly number[], quantile: number): number {
  const draws = sorted.length;
  for (let rank = Math.max(1, Math.floor(quantile * draws)); rank < draws; rank++) {
    // At least `rank` of them lie below the quantile: then the value of that rank may still be below it.
    if (chanceOfAtLeast(rank, draws, quantile) <= 0.05) return sorted[rank - 1]!;
  }
  return sorted.at(-1) ?? NaN;
}

/** The nearest rank; NaN of none. */
export function quantileOf(sorted: readonly number[], quantile: number): number {
  return sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? NaN;
}

const Z_95 = 1.6449;

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= Math.min(k, n - k); i++) sum += Math.log((n - i + 1) / i);
  return sum;
}
