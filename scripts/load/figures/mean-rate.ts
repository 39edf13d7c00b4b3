/**
 * How many a second came at these moments, in milliseconds and ascending: n of them have n − 1 gaps between them. `leastSpanMs`: the time they
 * are taken over, where they themselves are nearer to one another. null of fewer than two, and where all came at once.
 */
export function meanRate(at: Float64Array | readonly number[], leastSpanMs = 0): number | null {
  const spanMs = Math.max(leastSpanMs, (at.at(-1) ?? 0) - (at[0] ?? 0));
  return at.length < 2 || spanMs === 0 ? null : ((at.length - 1) / spanMs) * 1000;
}
