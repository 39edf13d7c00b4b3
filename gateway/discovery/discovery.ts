import { isDeepStrictEqual } from 'node:util';
import type { KubernetesPlace, ReadFile } from './kubernetes/api.ts';
import type { Clock } from '../core/clock.ts';
import type { FindingSource, Found, SourceListener, SourceState } from '../core/finding/found.ts';
import type { Events } from '../core/events.ts';
import type { Random } from '../core/random.ts';
import type { Settings } from '../config/schema/settings.ts';
import type { WorkerListing } from '../workers/worker-listing.ts';
import { type Place, placeOf, samePlace, sourceName, type WorkerEntry } from './entry.ts';
import { changesBetween } from './changes.ts';
import { merge } from './merge.ts';
import { openSource } from './open-source.ts';
import { takeForerunner } from './forerunner.ts';

export interface DiscoveryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Pick<Events, 'sourceChanged' | 'workersFound' | 'findingsLeftOut'>;
  readonly settings: () => Pick<Settings, 'workers' | 'discovery'>;
  /** Where the API server is, as the settings and the environment say it now. */
  readonly kubernetes: () => KubernetesPlace;
  readonly readFile: ReadFile;
  readonly isOwn: (host: string, port: number) => boolean;
  /** There are others now. Not called before `startDiscovery` has returned. */
  readonly onListings: (listings: readonly WorkerListing[]) => void;
  /** What another process has found, which stands until this one has been told. As `findings` */
  readonly before?: ReadonlyMap<string, Found>;
}

export interface Discovery {
  /** All workers there are to be: those with a url, and those found so far. */
  listings(): readonly WorkerListing[];
  /** In the order of the settings. */
  sources(): readonly SourceState[];
  /** What was found so far, by place, as JSON: for another process. */
  findings(): readonly (readonly [place: string, found: Found])[];
  /** Resolves when each source has been heard of once, and what it had found stands in the list; or has said why there is nothing. */
  heard(): Promise<void>;
  /** The settings have changed. Sources that are as they were go on. */
  configure(): void;
  close(): void;
}

/** A place, what watches it, and what it has said. */
interface Watched {
  readonly place: Place;
  readonly name: string;
  found: Found;
  isUp: boolean | null;
  message: string | null;
  source: FindingSource;
}

const NOTHING: Found = { workers: [], leftOut: [] };

/** Looks for the workers that the settings do not name by a url, and puts all of them into one list. */
export function startDiscovery(options: DiscoveryOptions): Discovery {
  const { events, settings } = options;
  let watched: readonly Watched[] = [];
  let listings: readonly WorkerListing[] = [];
  let leftOut: ReadonlyMap<string, readonly string[]> = new Map();
  let opened: unknown = null;
  /** Until its places have been opened once. */
  let fromBefore = options.before;
  let closed = false;
  const heard = Promise.withResolvers<void>();

  function listenerOf(of: Watched): SourceListener {
    return {
      found(found) {
        of.found = found;
        review();
      },
      up() {
        if (of.isUp === true) return;
        Object.assign(of, { isUp: true, message: null });
        events.sourceChanged(stateOf(of));
        hear();
      },
      away(message) {
        if (of.isUp === false && of.message === message) return;
        Object.assign(of, { isUp: false, message });
        events.sourceChanged(stateOf(of));
        hear();
      },
    };
  }

  /** What is to be known of the settings and of what was found. @returns whether the list is another */
  function gather(): boolean {
    const own = options.kubernetes().namespace;
    const entries = settings().workers.map((entry: WorkerEntry) => {
      const place = placeOf(entry, own);
      const of = place && watched.find((each) => samePlace(each.place, place));
      return { entry, source: place && sourceName(place), scheme: place?.scheme ?? 'http', found: of?.found.workers ?? [] } as const;
    });
    const before = listings;
    const taken = new Set(before.map(({ url }) => url));
    const merged = merge(entries, { isOwn: options.isOwn, taken });
    listings = merged.listings;
    tellLeftOut(merged.leftOut);
    const changes = changesBetween(before, listings);
    for (const each of changes) if (watched.some(({ name }) => name === each.source)) events.workersFound(each);
    return !isDeepStrictEqual(before, listings);
  }

  /** Each sentence once, as long as it holds. */
  function tellLeftOut(merged: ReadonlyMap<string, readonly string[]>): void {
    const now = new Map(watched.map(({ name, found }) => [name, [...found.leftOut, ...(merged.get(name) ?? [])]] as const));
    for (const [source, sentences] of now) {
      const known = new Set(leftOut.get(source));
      const fresh = sentences.filter((sentence) => !known.has(sentence));
      if (fresh.length > 0) events.findingsLeftOut(source, fresh);
    }
    leftOut = now;
  }

  function review(): void {
    if (!closed && gather()) options.onListings(listings);
  }

  function hear(): void {
    if (watched.every(({ isUp, found }) => isUp !== null || found !== NOTHING)) heard.resolve();
  }

  function stateOf({ name, isUp, message }: Watched): SourceState {
    const own = listings.filter(({ source }) => source === name);
    return { source: name, isUp, message, workers: own.length, ending: own.filter(({ isEnding }) => isEnding).length };
  }

  function open(): void {
    const kubernetes = options.kubernetes();
    const places = settings().workers.flatMap((entry: WorkerEntry) => placeOf(entry, kubernetes.namespace) ?? []);
    const means = { ...settings().discovery, kubernetes };
    // Another API server, or another resolver, is asked for everything anew; what was found stands until it has answered.
    const stays = isDeepStrictEqual(means, opened);
    opened = structuredClone(means);
    const before = watched;
    const left = before.filter((each) => !places.some((place) => samePlace(each.place, place)));
    watched = places.map((place) => {
      const known = before.find((each) => samePlace(each.place, place));
      if (known && stays) return known;
      const found = (known ?? takeForerunner(place, left))?.found ?? fromBefore?.get(JSON.stringify(place)) ?? NOTHING;
      const of: Watched = {
        ...{ place, name: sourceName(place), found, isUp: null, message: null },
        source: { close: () => undefined },
      };
      of.source = openSource(place, { ...options, listener: listenerOf(of), api: kubernetes, means: () => settings().discovery });
      return of;
    });
    for (const each of before) if (!watched.includes(each)) each.source.close();
  }

  open();
  fromBefore = undefined;
  gather();
  hear();
  return {
    heard: () => heard.promise,
    findings: () => watched.flatMap(({ place, found }) => (found === NOTHING ? [] : [[JSON.stringify(place), found] as const])),
    listings: () => listings,
    sources: () => watched.map(stateOf),
    configure() {
      open();
      gather();
      hear();
    },
    close() {
      closed = true;
      for (const { source } of watched) source.close();
    },
  };
}
