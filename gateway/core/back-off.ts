import { jitter, type Random } from './random.ts';

/** How a wait grows from one failure to the next: doubled up to the longest, or along a row of its own, whose last stands for all that follow. */
type Growth = readonly number[] | { readonly firstMs: number; readonly longestMs: number };

/**
 * The wait after a failure, in milliseconds. `earlier`: how many failures came before it, none of them made good. With `spread` it is
 * give or take that share of itself, so that those who failed together do not come back together; never more than the longest.
 */
export function backOffMs(growth: Growth, earlier: number, spread?: { readonly random: Random; readonly share: number }): number {
  const [ms, longestMs] =
    'firstMs' in growth
      ? [growth.firstMs * 2 ** earlier, growth.longestMs]
      : [growth[Math.min(earlier, growth.length - 1)] ?? 0, growth.at(-1) ?? 0];
  return Math.min(spread ? jitter(spread.random, ms, spread.share) : ms, longestMs);
}
