import type { Clock } from '../core/clock.ts';
import type { Worker } from '../core/worker.ts';
import type { CommandResult } from '../link/commands.ts';
import type { LiveDirectory } from './directory.ts';
import { ListedWorker } from './listed-worker.ts';
import type { GetPage, Well } from './look.ts';
import { Outgoing } from './outgoing.ts';
import { Rationed } from './rationed.ts';
import { addressOf, type WorkerListing } from './worker-listing.ts';
import type { WorkerSource } from './worker-source.ts';

/** For so long after the start, or after it was told, what another process knew of a worker holds: its address may be another's later. */
const KNOWN_BEFORE_MS = 60_000;

interface ListedSourceOptions {
  readonly clock: Clock;
  readonly directory: LiveDirectory;
  readonly workers: readonly WorkerListing[];
  /** What tells a worker that is a gateway itself who asks it. Absent: nobody that could be one of its workers. */
  readonly via?: string;
  /** A worker was taken out of the list and serves on, because nobody in its place is ready yet. */
  readonly onKept?: (id: string) => void;
  /** Workers that an operator had taken out of service before this process began: they are as soon as they are listed. */
  readonly drained?: readonly string[];
  /** Workers that another process keeps, which are listed no more: as soon as they are seen to be well they are kept here, too, if they are needed. */
  readonly kept?: readonly WorkerListing[];
  /** A worker was asked, is well, and was not so before: for other processes of this gateway. */
  readonly onWell?: ((id: string, found: Well, line: string) => void) | undefined;
}

export interface ListedSource extends WorkerSource {
  /** Replaces the list. Workers whose lines did not change notice nothing; one whose key, models or size changed stays as ready as it was. */
  update(workers: readonly WorkerListing[]): void;
  /** Another process has found a worker well, and nobody is to be refused here meanwhile. `line`: as that process has it, see `lineOf` */
  take(id: string, found: Well, line: string): void;
  /** Resolves when it is heard, and stands in the directory, how these workers are, well or not. null: all that are listed */
  known(ids: readonly string[] | null): Promise<void>;
  /** For another process, which comes later. */
  standing(): { readonly ready: readonly string[]; readonly drained: readonly string[]; readonly kept: readonly WorkerListing[] };
  /** A worker has told a call that it has not the model: it is asked again which it serves. */
  askModels(id: string): void;
  /** Out of service and back, on an operator's word. The id is a worker's. Forgotten when the gateway ends. */
  drain(id: string): CommandResult;
  undrain(id: string): CommandResult;
  /** The engine's own version, by worker id, for those that have told it. */
  versions(): ReadonlyMap<string, string>;
}

/** Puts the workers of the settings into the directory, and finds out by asking them which are well and what they serve. */
export function startListedSource({
  clock,
  directory,
  workers,
  via,
  onKept,
  onWell,
  drained = [],
  kept = [],
}: ListedSourceOptions): ListedSource {
  let listed = new Map<string, ListedWorker>();
  let closed = false;
  const startedAt = clock.now();
  /** Orders for workers that have yet to be found here: by id, until when. */
  const drainedBefore = new Map(drained.map((id) => [id, startedAt + KNOWN_BEFORE_MS]));
  /** As it was told last, and what others keep beyond that, until this process can tell whether it is needed. */
  let told = workers;
  let keptBefore = kept;
  const forget = kept.length > 0 ? clock.after(KNOWN_BEFORE_MS, () => update(told)) : null;
  const outgoing = new Outgoing({ clock, listed: () => listed.values(), changed: () => table.now() });
  // A thousand workers that come at once answer one after another, and each of them changes tables of all.
  const table = new Rationed(clock, publish);

  function publish(): void {
    if (closed) return;
    for (const worker of listed.values()) if (worker.hasEnded) drop(worker);
    outgoing.review();
    const all = [...listed.values(), ...outgoing.all()];
    const keys = new Map(all.flatMap(({ view, apiKey }) => (apiKey === null ? [] : [[view.id, apiKey] as const])));
    directory.apply(
      all.map(({ view }) => view),
      undefined,
      keys,
    );
  }

  /** Workers that are kept elsewhere and were not ready here yet. */
  function stillKept(): readonly WorkerListing[] {
    const isOver = clock.now() - startedAt >= KNOWN_BEFORE_MS;
    return keptBefore.filter((listing) => {
      const isListed = told.some(({ url }) => url === listing.url);
      const own = [...listed.values()].find((worker) => worker.listing.url === listing.url);
      return !isOver && !isListed && own?.view.state !== 'ready';
    });
  }

  function update(listings: readonly WorkerListing[]): void {
    if (closed) return;
    told = listings;
    keptBefore = stillKept();
    const before = listed;
    listed = new Map();
    const fresh: ListedWorker[] = [];
    for (const listing of [...listings, ...keptBefore]) {
      const address = addressOf(listing, listed);
      const { id } = address;
      const known = before.get(id) ?? outgoing.takeBack(id);
      const isThere = known?.view.url === address.url && known.view.apiPath === address.apiPath;
      if (known && isThere && !known.isAnother(listing)) {
        before.delete(id);
        if (known.relist(listing)) fresh.push(known);
        listed.set(id, known);
      } else if (listing.isEnding !== true) {
        const get: GetPage = (path, timeoutMs, by) => transportOf(id).get(path, timeoutMs, by);
        const inFlight = () => directory.worker(id)?.inFlight ?? 0;
        const changed = (isUrgent: boolean) => (isUrgent ? table.now() : table.soon());
        const foundWell = (found: Well, line: string) => onWell?.(id, found, line);
        const worker = new ListedWorker(address, listing, { clock, get, via, inFlight, changed, foundWell });
        fresh.push(worker);
        listed.set(id, worker);
      }
    }
    for (const gone of before.values()) {
      // Who found it knows that it is gone.
      if (gone.isFound) gone.close();
      else if (outgoing.add(gone)) onKept?.(gone.view.id);
    }
    // The directory makes the transports through which the first questions go.
    table.now();
    for (const worker of fresh) {
      const until = drainedBefore.get(worker.view.id) ?? -Infinity;
      drainedBefore.delete(worker.view.id);
      if (clock.now() <= until) worker.drain();
    }
    for (const worker of fresh) worker.lookNow();
  }

  function drop(worker: ListedWorker): void {
    worker.close();
    listed.delete(worker.view.id);
  }

  function find(id: string): ListedWorker | undefined {
    return listed.get(id) ?? outgoing.all().find(({ view }) => view.id === id);
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
    // While it drains, what it does shows whether its last calls get on.
    scrapes: ({ id, view }) => view.state === 'ready' || view.state === 'draining' || find(id)?.isStopping === true,
    observe: (id, sight) => find(id)?.observe(sight),
    take: (id, found, line) => find(id)?.take(found, line),
    async known(ids) {
      const meant = ids === null ? [...listed.values()] : ids.flatMap((id) => find(id) ?? []);
      await Promise.all(meant.map(({ known }) => known));
      table.now();
    },
    standing() {
      const all = [...listed.values(), ...outgoing.all()];
      const idsOf = (some: readonly ListedWorker[]) => some.map(({ view }) => view.id);
      return {
        ready: idsOf(all.filter(({ view }) => view.state === 'ready')),
        drained: idsOf(all.filter(({ isHeld }) => isHeld)),
        kept: [...outgoing.all().map(({ listing }) => listing), ...stillKept()],
      };
    },
    askModels: (id) => find(id)?.askModels(),
    drain(id) {
      const worker = find(id);
      if (!worker) {
        // The process that was asked may know of it sooner.
        drainedBefore.set(id, clock.now() + KNOWN_BEFORE_MS);
        return { kind: 'unknown', message: `${id} has left the list.` };
      }
      if (worker.isEnding) return { kind: 'conflict', message: `${id} is about to end, and takes no new requests any more.` };
      if (!worker.drain()) return { kind: 'conflict', message: `${id} is ${worker.view.state} already; ${wayBack(id)}.` };
      const isDone = worker.view.state === 'drained';
      const message = `It takes no new requests${isDone ? '' : ' and finishes those it has'}; ${wayBack(id)}, as does a restart of the gateway.`;
      return { kind: 'accepted', message };
    },
    undrain(id) {
      drainedBefore.delete(id);
      if (find(id)?.isEnding) return { kind: 'conflict', message: `${id} is about to end, as whoever found it says.` };
      if (!find(id)?.undrain()) return { kind: 'conflict', message: `${id} is not drained.` };
      return { kind: 'accepted', message: 'It takes requests again as soon as it is seen to be well.' };
    },
    close() {
      closed = true;
      forget?.cancel();
      table.close();
      outgoing.close();
      for (const worker of listed.values()) worker.close();
    },
  };
}

function wayBack(id: string): string {
  return `"headgate undrain ${id}" brings it back`;
}
