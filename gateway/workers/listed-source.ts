import type { Clock } from '../core/clock.ts';
import type { Worker } from '../core/worker.ts';
import type { LiveDirectory } from './directory.ts';
import { ListedWorker } from './listed-worker.ts';
import { addressOf, type WorkerListing } from './worker-listing.ts';
import type { WorkerSource } from './worker-source.ts';

interface ListedSourceOptions {
  readonly clock: Clock;
  readonly directory: LiveDirectory;
  readonly workers: readonly WorkerListing[];
}

export interface ListedSource extends WorkerSource {
  /** Replaces the list. Workers whose lines did not change notice nothing; one whose key, models or size changed stays as ready as it was. */
  update(workers: readonly WorkerListing[]): void;
  /** The engine's own version, by worker id, for those that have told it. */
  versions(): ReadonlyMap<string, string>;
}

/** Puts the workers of the settings into the directory, and finds out by asking them which are well and what they serve. */
export function startListedSource({ clock, directory, workers }: ListedSourceOptions): ListedSource {
  let listed = new Map<string, ListedWorker>();
  let closed = false;

  function publish(): void {
    if (closed) return;
    const all = [...listed.values()];
    const keys = new Map(all.flatMap(({ view, apiKey }) => (apiKey === null ? [] : [[view.id, apiKey] as const])));
    directory.apply(
      all.map(({ view }) => view),
      undefined,
      keys,
    );
  }

  function update(listings: readonly WorkerListing[]): void {
    const before = listed;
    listed = new Map();
    const fresh: ListedWorker[] = [];
    for (const listing of listings) {
      const address = addressOf(listing.url, listed);
      const { id } = address;
      const known = before.get(id);
      if (known && known.view.url === address.url) {
        before.delete(id);
        if (known.relist(listing)) fresh.push(known);
        listed.set(id, known);
      } else {
        const get = (path: string, timeoutMs: number) => transportOf(id).get(path, timeoutMs);
        const worker = new ListedWorker(address, listing, { clock, get, changed: publish });
        fresh.push(worker);
        listed.set(id, worker);
      }
    }
    for (const gone of before.values()) gone.close();
    // The directory makes the transports through which the first questions go.
    publish();
    for (const worker of fresh) worker.lookNow();
  }

  function transportOf(id: string): Worker['transport'] {
    const worker = directory.worker(id);
    if (!worker) throw new Error(`The worker ${id} has left the list.`);
    return worker.transport;
  }

  update(workers);
  return {
    update,
    versions: () => new Map([...listed].flatMap(([id, { version }]) => (version === null ? [] : [[id, version] as const]))),
    scrapes: (worker) => worker.view.state === 'ready',
    observe: (id, sight) => listed.get(id)?.observe(sight),
    close() {
      closed = true;
      for (const worker of listed.values()) worker.close();
    },
  };
}
