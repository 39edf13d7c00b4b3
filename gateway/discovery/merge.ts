import { isMetadataHost } from '../config/schema/values/addresses.ts';
import type { FoundWorker } from '../core/finding/found.ts';
import type { WorkerListing } from '../workers/worker-listing.ts';
import { addressOf } from '../workers/worker-listing.ts';
import type { WorkerEntry } from './entry.ts';

/** An entry of `workers`, and what its source has found; `source` null: it names a server by its url. */
export interface MergeEntry {
  readonly entry: WorkerEntry;
  readonly source: string | null;
  readonly scheme: 'http' | 'https';
  readonly found: readonly FoundWorker[];
}

export interface Merged {
  readonly listings: readonly WorkerListing[];
  /** What was found and is not taken, by source: sentences that go on from its name. */
  readonly leftOut: ReadonlyMap<string, readonly string[]>;
}

interface MergeOptions {
  /** Whether the gateway itself listens there. */
  readonly isOwn: (host: string, port: number) => boolean;
  /** Urls that are taken now: where there are too many, these stay. */
  readonly taken: ReadonlySet<string>;
}

/** As many as the settings may list. */
export const MOST_WORKERS = 1_024;

/**
 * All workers there are to be, listed and found, in the order of the settings; those of one source by their addresses, so that several
 * gateways have them in the same order. A server that two entries name is taken once, as the first says.
 */
export function merge(entries: readonly MergeEntry[], { isOwn, taken }: MergeOptions): Merged {
  const byUrl = new Map<string, { readonly listing: WorkerListing; readonly by: string }>();
  const leftOut = new Map<string, string[]>();
  const note = (source: string, sentence: string): void => {
    const notes = leftOut.get(source);
    if (notes) notes.push(sentence);
    else leftOut.set(source, [sentence]);
  };
  for (const { entry, source, scheme, found } of entries) {
    const rest = restOf(entry);
    if (source === null) {
      if (entry.url !== null) byUrl.set(canonical(entry.url), { listing: { url: entry.url, ...rest }, by: 'a url in the settings' });
      continue;
    }
    for (const worker of found.toSorted(byAddress)) {
      const { host, port, uid, isEnding } = worker;
      const url = canonical(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`);
      const other = byUrl.get(url);
      if (isMetadataHost(host)) note(source, `names ${host}, an address of a cloud's metadata service`);
      else if (isOwn(host, port)) note(source, `names the gateway itself (${host}:${port})`);
      else if (other) note(source, `names ${host}:${port} as well as ${other.by} does: it is taken once, as that says`);
      else byUrl.set(url, { listing: { url, ...rest, source, uid, isEnding }, by: source });
    }
  }
  return {
    listings: atMost(
      [...byUrl].map(([url, { listing }]) => ({ url, listing })),
      taken,
      note,
    ),
    leftOut,
  };
}

function atMost(
  all: readonly { readonly url: string; readonly listing: WorkerListing }[],
  taken: ReadonlySet<string>,
  note: (source: string, sentence: string) => void,
): readonly WorkerListing[] {
  if (all.length <= MOST_WORKERS) return all.map(({ listing }) => listing);
  const isFirst = ({ url, listing }: (typeof all)[number]): boolean => listing.source === undefined || taken.has(url);
  const chosen = new Set([...all.filter(isFirst), ...all.filter((each) => !isFirst(each))].slice(0, MOST_WORKERS));
  const over = new Map<string, number>();
  for (const each of all) if (!chosen.has(each)) over.set(each.listing.source ?? '', (over.get(each.listing.source ?? '') ?? 0) + 1);
  for (const [source, count] of over)
    note(source, `names ${count} workers more than the ${MOST_WORKERS} that a gateway takes: they get no calls`);
  return all.filter((each) => chosen.has(each)).map(({ listing }) => listing);
}

function restOf({ api_key, models, max_num_seqs, scheduling_policy, group, engine }: WorkerEntry): Omit<WorkerListing, 'url'> {
  return { apiKey: api_key, models, maxNumSeqs: max_num_seqs, scheduling: scheduling_policy, group, engine };
}

function canonical(at: string): string {
  const { url, apiPath = '' } = addressOf({ url: at }, new Map());
  return url + apiPath;
}

function byAddress(a: FoundWorker, b: FoundWorker): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1;
  return a.port - b.port;
}
