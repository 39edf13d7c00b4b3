import { type Clock, repeat, type Timer } from '../core/clock.ts';
import type { Worker, WorkerDirectory } from '../core/worker.ts';
import type { ShareSources } from '../policies/capacity/share.ts';
import { needsOf } from './needs.ts';
import type { Need, PlacesStore } from './terms.ts';
import { workerName } from './worker-name.ts';
import { WorkerPlaces } from './worker-places.ts';

const LOOK_MS = 50;
/** How often the store hears of a gateway of which it has nothing new to hear. */
const ROUND_MS = 250;
/** How soon, where somebody waits for what another is to give back. */
const SOON_MS = 50;
/** How soon, where a call has found no place. */
const AT_ONCE_MS = 10;
/** Where gateways share a store, and it has never told how many they are. */
const UNHEARD_OF = 2;

/** What the process that speaks for all of a gateway has got of the places of workers, and how many gateways share them. */
export interface Got {
  readonly gateways: number;
  readonly workers: readonly (readonly [worker: string, most: number, held: number])[];
}

/** By worker: what all processes need of it. */
export type Needs = ReadonlyMap<string, Omit<Need, 'total'>>;

const NONE: Omit<Need, 'total'> = { first: 0, rest: 0, inUse: 0, kept: 0 };

interface FleetOptions {
  readonly clock: Clock;
  readonly directory: WorkerDirectory;
  /** Of this gateway, among all. */
  readonly id: string;
  /** No other machine is called so. */
  readonly machine: string;
  readonly gateways: () => 'auto' | number;
  /** Between two looks at a worker. */
  readonly intervalMs: () => number;
  /** The number of gateways that share workers is another than before. */
  readonly onGateways: (count: number, before: number | null) => void;
  /** Several processes are this gateway. */
  readonly kin?: {
    /** Whether this one speaks for all of them. */
    readonly speaks: () => boolean;
    readonly tell: (got: Got) => void;
    /** What all of them need; null: that has not been said yet. */
    readonly needs: () => Needs | null;
  };
}

/**
 * The places of workers that several gateways share, as far as they are this one's. They meet in a store, four times a second and whenever a
 * call finds no place; where there is none, or it is away, each goes by what it sees of the workers. No call waits for either.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #workers = new Map<string, WorkerPlaces>();
  readonly #most = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #readyFor = (model: string): readonly Worker[] => this.#options.directory.readyFor(model);
  #sources: ShareSources | null = null;
  #store: PlacesStore | null = null;
  #timer: Timer | null = null;
  #due: Timer | null = null;
  #off: (() => void) | null = null;
  #roundAt = -Infinity;
  #isAsking = false;
  #told: number | null = null;
  /** The store has been asked once, where there is one. */
  #hasAsked = false;
  /** What another process has got that spoke for this gateway before. */
  readonly #followed = new Map<string, number>();
  /** The number of the question asked last, and of those that have been answered. */
  #asked = 0;
  #answered = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  reckonFrom(sources: ShareSources): void {
    this.#sources = sources;
  }

  /** From now on it has its part. Resolves when the store has been asked once, whatever came of that. */
  async begin(store: PlacesStore | null): Promise<void> {
    const { clock, directory } = this.#options;
    this.#store = store;
    this.#off = directory.onChange(() => this.#look());
    this.#look();
    await this.#round();
    this.#timer = repeat(clock, LOOK_MS, () => this.#look());
  }

  /** Leaves what it has to the others. */
  async close(): Promise<void> {
    this.#off?.();
    this.#timer?.cancel();
    this.#due?.cancel();
    if (this.#store?.isUp && this.#speaks) await this.#store.leave([...this.#workers.values()].map(({ worker }) => worker));
    this.#store = null;
  }

  /** Calls that this gateway may have at the worker now, all its processes together. */
  most(worker: string): number {
    return this.#most.get(worker) ?? 0;
  }

  /** How many gateways share workers, this one included. */
  get gateways(): number {
    if (!this.#speaks && this.#told !== null) return this.#told;
    return this.#heardOf((places, now) => places.gatewaysTold(now)) ?? this.#guess();
  }

  /** Some of it may be another's and unused. */
  mayHaveMore(model: string): boolean {
    return this.#readyFor(model).some(({ id }) => this.#workers.get(id)?.isScarce === false);
  }

  /** Calls wait for a place. @returns the number of this question */
  ask(): number {
    this.#soon(AT_ONCE_MS);
    return ++this.#asked;
  }

  isAnswered(model: string, question: number): boolean {
    if (this.#store?.isUp !== true) return true;
    return this.#answered >= question && !this.#readyFor(model).some(({ id }) => this.#workers.get(id)?.isComing);
  }

  /** A place is used no more. */
  freed(): void {
    if (this.#due !== null || this.#store === null) return;
    for (const places of this.#workers.values()) if (places.isWanted) return this.#soon(SOON_MS);
  }

  /** What the process that speaks for this gateway has got. */
  follow({ gateways, workers }: Got): void {
    this.#told = gateways;
    for (const [id, most, held] of workers) {
      this.#most.set(id, most);
      this.#followed.set(id, held);
      this.#workers.get(id)?.follow(held);
    }
    this.#tell();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Who takes over from another first has to know what that one has handed on. */
  get #speaks(): boolean {
    const { kin } = this.#options;
    return kin === undefined || (kin.speaks() && !(this.#followed.size > 0 && kin.needs() === null));
  }

  /** Sees how the workers are, and what is needed of them. */
  #look(): void {
    const { clock, directory, kin } = this.#options;
    if (this.#sources === null) return;
    const workers = directory.workers();
    this.#know(workers);
    if (!this.#speaks) return;
    const needs = kin ? this.#ofAll(workers, kin.needs() ?? new Map()) : needsOf(this.#sources, workers, this.#readyFor);
    for (const worker of workers) {
      const { load, id } = worker;
      const need = needs.get(id)!;
      const places = this.#workers.get(id)!;
      places.needs(need);
      if (load.scrapedAt === null) continue;
      const own = kin ? need.inUse : load.inFlightAtScrape;
      const sighting = { at: load.scrapedAt, seen: load.running + load.waiting, own, tookMs: load.scrapeMs ?? 0 };
      places.look(sighting, this.#countAt(places));
    }
    this.#setMost();
    if (this.#store !== null && clock.now() - this.#roundAt >= this.#pauseMs()) void this.#round();
  }

  #know(workers: readonly Worker[]): void {
    const { id: own, machine } = this.#options;
    for (const { id, view } of workers) {
      const name = workerName(view.url, machine);
      if (this.#workers.get(id)?.worker === name) continue;
      const places = new WorkerPlaces({ id: own, worker: name });
      places.follow(this.#followed.get(id) ?? 0);
      this.#workers.set(id, places);
    }
    if (this.#workers.size === workers.length) return;
    const present = new Set(workers.map(({ id }) => id));
    for (const id of this.#workers.keys()) {
      if (present.has(id)) continue;
      for (const known of [this.#workers, this.#most, this.#followed]) known.delete(id);
    }
  }

  #ofAll(workers: readonly Worker[], needs: Needs): Map<string, Need> {
    return new Map(workers.map((worker) => [worker.id, { ...(needs.get(worker.id) ?? NONE), total: this.#sources!.placesOf(worker) }]));
  }

  #pauseMs(): number {
    for (const places of this.#workers.values()) if (places.isComing) return SOON_MS;
    return ROUND_MS;
  }

  /** Says how this gateway stands, and hears how the others do. One question at a time. */
  async #round(): Promise<void> {
    const store = this.#store;
    if (store === null || this.#isAsking || !this.#speaks) return;
    const { clock } = this.#options;
    const all = [...this.#workers.values()];
    const question = this.#asked;
    this.#roundAt = clock.now();
    this.#due?.cancel();
    this.#due = null;
    this.#isAsking = true;
    const sayings = store.isUp ? all.map((places) => places.saying()) : [];
    this.#setMost();
    const answers = store.isUp && sayings.length > 0 ? await store.settle(sayings) : null;
    this.#isAsking = false;
    this.#hasAsked = true;
    for (const [i, places] of all.entries()) {
      const answer = answers?.[i];
      if (answer) places.heard(answer, clock.now());
      else places.missed();
    }
    this.#answered = question;
    this.#setMost();
    this.#tell();
    if (this.#asked > question) this.#soon(AT_ONCE_MS);
  }

  #soon(ms: number): void {
    if (this.#due !== null || this.#store === null) return;
    const { clock } = this.#options;
    this.#due = clock.after(Math.max(0, this.#roundAt + ms - clock.now()), () => {
      this.#due = null;
      this.#look();
      void this.#round();
    });
  }

  #setMost(): void {
    const { clock, intervalMs, kin, onGateways } = this.#options;
    let isMore = false;
    let isOther = false;
    for (const [id, places] of this.#workers) {
      const most = places.most(this.#countAt(places), clock.now(), intervalMs());
      const before = this.#most.get(id) ?? 0;
      isMore ||= most > before;
      isOther ||= most !== before;
      this.#most.set(id, most);
    }
    const { gateways } = this;
    if (isOther || gateways !== this.#told)
      kin?.tell({ gateways, workers: [...this.#workers].map(([id, { held }]) => [id, this.most(id), held]) });
    if (isMore) this.#tell();
    if (gateways === this.#told || (this.#store !== null && !this.#hasAsked)) return;
    onGateways(gateways, this.#told);
    this.#told = gateways;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #countAt(places: WorkerPlaces): number {
    const heard = places.gateways(this.#options.clock.now());
    const set = this.#options.gateways();
    return Math.max(heard ?? this.#guess(), set === 'auto' ? 1 : set);
  }

  #guess(): number {
    const set = this.#options.gateways();
    return set === 'auto' ? (this.#heardOf((places, now) => places.gateways(now)) ?? UNHEARD_OF) : set;
  }

  /** What is said most of gateways at any worker. */
  #heardOf(of: (places: WorkerPlaces, now: number) => number | null): number | null {
    const now = this.#options.clock.now();
    let most: number | null = null;
    for (const places of this.#workers.values()) {
      const heard = of(places, now);
      if (heard !== null) most = Math.max(most ?? 0, heard);
    }
    return most;
  }
}
