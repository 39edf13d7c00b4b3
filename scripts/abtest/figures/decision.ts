import type { Comparison } from './comparison.ts';

/** Which arm to keep, by its place, and why. */
export interface Decision {
  readonly keep: number;
  readonly why:
    /** It is better in what is named and worse in nothing. */
    | { readonly kind: 'better'; readonly gains: readonly Comparison[] }
    /** Nothing was shown, so nothing is worth a change. */
    | { readonly kind: 'none' }
    /** Others are worse, and better in nothing. */
    | { readonly kind: 'worse'; readonly losses: readonly Comparison[] }
    /** Others are better in one thing and worse in another: a matter of taste. */
    | { readonly kind: 'mixed'; readonly arm: number; readonly gains: readonly Comparison[]; readonly losses: readonly Comparison[] }
    /** There are too few blocks for anything to be shown. */
    | { readonly kind: 'unknown' };
  /** Arms besides that are better than the baseline, too: between them and the one to keep nothing was compared. */
  readonly alsoBetter: readonly number[];
}

/**
 * The baseline stays unless another is better in something that is judged and worse in nothing, errors included, whether they are judged or
 * not. Of several such the one that gains most in the first metric in which any gains.
 */
export function decide(comparisons: readonly Comparison[], watched: readonly Comparison[]): Decision {
  const arms = [...new Set(comparisons.map(({ arm }) => arm))];
  const gainsOf = (arm: number): Comparison[] => comparisons.filter((one) => one.arm === arm && one.shown === 'better');
  const lossesOf = (arm: number): Comparison[] => [...comparisons, ...watched].filter((one) => one.arm === arm && one.shown === 'worse');
  const better = arms.filter((arm) => gainsOf(arm).length > 0 && lossesOf(arm).length === 0);
  if (better.length > 0) {
    const first = comparisons.find((one) => better.includes(one.arm) && one.shown === 'better')!;
    const ranked = better.toSorted((a, b) => gainIn(first, comparisons, b) - gainIn(first, comparisons, a));
    const [keep, ...alsoBetter] = ranked as [number, ...number[]];
    return { keep, why: { kind: 'better', gains: gainsOf(keep) }, alsoBetter };
  }
  const stay = (why: Decision['why']): Decision => ({ keep: 0, why, alsoBetter: [] });
  const mixed = arms.find((arm) => gainsOf(arm).length > 0);
  if (mixed !== undefined) return stay({ kind: 'mixed', arm: mixed, gains: gainsOf(mixed), losses: lossesOf(mixed) });
  const losses = arms.flatMap(lossesOf);
  if (losses.length > 0) return stay({ kind: 'worse', losses });
  return stay({ kind: comparisons.some(({ shown }) => shown === 'none') ? 'none' : 'unknown' });
}

/** By how much an arm gains in the metric of that comparison; nothing where no gain was shown. */
function gainIn({ metric }: Comparison, comparisons: readonly Comparison[], arm: number): number {
  const found = comparisons.find((one) => one.metric === metric && one.arm === arm);
  return found?.shown === 'better' ? Math.abs(found.effect) : 0;
}
