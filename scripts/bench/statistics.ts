/** Rounds that are further apart than this share of their median say nothing about each other. */
export const NOISY_SPREAD = 0.25;

/** What two sets of rounds say about each other. */
export type Ratio =
  | { readonly kind: 'ratio'; readonly value: number }
  /** `spread`: of the side that disagrees with itself the most. */
  | { readonly kind: 'noisy'; readonly spread: number }
  /** Not measured on both sides, or in one round only, which has nothing to agree with. */
  | { readonly kind: 'none' };

/** @returns NaN for none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How far apart the values are, as a share of their median; 0 for one value or none. */
export function spread(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const range = Math.max(...values) - Math.min(...values);
  return range === 0 ? 0 : range / median(values);
}

/** The ratio of two medians, refused where the rounds of either side disagree. */
export function ratio(over: readonly number[], under: readonly number[]): Ratio {
  if (over.length < 2 || under.length < 2) return { kind: 'none' };
  const most = Math.max(spread(over), spread(under));
  if (!(most <= NOISY_SPREAD)) return { kind: 'noisy', spread: most };
  const below = median(under);
  return below > 0 ? { kind: 'ratio', value: median(over) / below } : { kind: 'none' };
}
