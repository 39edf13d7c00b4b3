/** Ratios of rounds that are further apart than this share of their median say nothing about each other. */
export const NOISY_SPREAD = 0.25;

/** One of so many rounds at either end may have met with something: of five, the three in the middle are to agree. */
const OUTERMOST = 5;

/** What two sets of rounds say about each other. */
export type Ratio =
  | { readonly kind: 'ratio'; readonly value: number }
  /** `spread`: how far the ratios of the rounds are apart, as a share of their median. */
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

/**
 * The median of the rounds' own ratios, refused where those disagree. Both sides were measured in turn, so that a machine which becomes
 * slower meanwhile does so for both: what matters is whether they slow down alike.
 */
export function ratio(over: readonly number[], under: readonly number[]): Ratio {
  const rounds = Math.min(over.length, under.length);
  if (rounds < 2 || under.some((value) => value <= 0)) return { kind: 'none' };
  const ratios = Array.from({ length: rounds }, (_, round) => over[round]! / under[round]!).toSorted((a, b) => a - b);
  const outermost = Math.floor(rounds / OUTERMOST);
  const apart = spread(ratios.slice(outermost, rounds - outermost));
  return apart <= NOISY_SPREAD ? { kind: 'ratio', value: median(ratios) } : { kind: 'noisy', spread: apart };
}
