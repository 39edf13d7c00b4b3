import type { FindingChanges } from '../core/finding/found.ts';
import { isAnother, type WorkerListing } from '../workers/worker-listing.ts';

type Mutable = { source: string; joined: string[]; left: string[]; ending: string[]; replaced: string[] };

/** What became of the workers that sources have found, from one list to the next: one entry for each source of which anything did. */
export function changesBetween(before: readonly WorkerListing[], after: readonly WorkerListing[]): FindingChanges[] {
  const bySource = new Map<string, Mutable>();
  const of = (source: string): Mutable => {
    const known = bySource.get(source) ?? { source, joined: [], left: [], ending: [], replaced: [] };
    bySource.set(source, known);
    return known;
  };
  const earlier = new Map(before.map((listing) => [listing.url, listing]));
  const later = new Set<string>();
  for (const listing of after) {
    const { url, source } = listing;
    later.add(url);
    if (source === undefined) continue;
    const known = earlier.get(url);
    if (known?.source === undefined) of(source).joined.push(url);
    else if (isAnother(known, listing)) of(source).replaced.push(url);
    else if (listing.isEnding && !known.isEnding) of(source).ending.push(url);
  }
  for (const { url, source } of before) if (source !== undefined && !later.has(url)) of(source).left.push(url);
  return [...bySource.values()];
}
