import { isDeepStrictEqual } from 'node:util';
import type { Place } from './entry.ts';

/**
 * The place that a new one stands in for, of those that the settings name no more: what was found there serves on until the new one has
 * been asked, so that a changed entry drops nobody. One that is left over has no heir, and its workers go with it.
 * @param left is taken out of it
 */
export function takeForerunner<T extends { readonly place: Place }>(place: Place, left: T[]): T | null {
  const [best = null] = left.toSorted((a, b) => likeness(b.place, place) - likeness(a.place, place));
  if (best !== null) left.splice(left.indexOf(best), 1);
  return best;
}

/** How many things two places have in common. */
function likeness(a: Place, b: Place): number {
  const other = new Map<string, unknown>(Object.entries(b));
  return Object.entries(a).filter(([key, value]) => isDeepStrictEqual(other.get(key), value)).length;
}
