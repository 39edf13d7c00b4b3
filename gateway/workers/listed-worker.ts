import { backOffMs } from '../core/back-off.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { WorkerView } from '../core/worker.ts';
import { listedFailure } from './listed-failure.ts';
import { type Finding, modelNamed, type ProbeGet, probe } from '../vllm/look.ts';
import type { Sight } from '../vllm/sight.ts';

/** One line of `workers` in the settings. */
export interface WorkerListing {
  /** http(s)://host[:port] */
  readonly url: string;
  readonly apiKey: string | null;
  /** null: ask the worker. */
  readonly models: readonly string[] | null;
  readonly maxNumSeqs: number;
}

export interface Place {
  readonly id: string;
  /** http(s)://host:port */
  readonly url: string;
  readonly port: number;
}

interface ListedWorkerOptions {
  readonly clock: Clock;
  readonly get: ProbeGet;
  /** Called when `view` has been replaced. */
  readonly changed: () => void;
}

/** In a row; vLLM's own node supervisor goes by the same number. */
const MISSES_TO_LOSE = 3;
const RETRY = { firstMs: 500, longestMs: 5000 };
/** While it is ready the scraper sees a crash sooner; this finds a dead engine behind a living front, and new models. */
const READY_PROBE_MS = 5000;

type Unwell = Extract<Finding, { kind: 'unwell' }>;

/** A worker that someone else runs: `starting` until it answers well, and again when it stops doing so. */
export class ListedWorker {
  view: WorkerView;
  apiKey: string | null;
  version: string | null = null;

  readonly #options: ListedWorkerOptions;
  #listing: WorkerListing;
  #timer: Timer | null = null;
  #probing = false;
  #closed = false;
  /** Looks planned since it was last ready. */
  #retries = 0;
  #missedProbes = 0;
  #missedScrapes = 0;

  constructor(place: Place, listing: WorkerListing, options: ListedWorkerOptions) {
    this.#listing = listing;
    this.#options = options;
    this.apiKey = listing.apiKey;
    this.view = {
      ...place,
      models: (listing.models ?? []).map(modelNamed),
      state: 'starting',
      stage: null,
      maxNumSeqs: listing.maxNumSeqs,
      pid: null,
      startedAtMs: null,
      restarts: 0,
      degradation: [],
      lastFailure: null,
      etaSeconds: null,
      profile: null,
      engine: null,
      args: [],
    };
  }

  /** Takes over a line that names the same place, keeping its readiness. @returns whether the line says anything new */
  relist(listing: WorkerListing): boolean {
    const { apiKey, models, maxNumSeqs } = this.#listing;
    const sameModels = JSON.stringify(listing.models) === JSON.stringify(models);
    if (listing.apiKey === apiKey && listing.maxNumSeqs === maxNumSeqs && sameModels) return false;
    this.#listing = listing;
    this.apiKey = listing.apiKey;
    this.view = { ...this.view, maxNumSeqs: listing.maxNumSeqs, models: listing.models?.map(modelNamed) ?? this.view.models };
    return true;
  }

  /** What the scraper saw; it looks only while the worker is ready. */
  observe(sight: Sight): void {
    if (this.view.state !== 'ready') return;
    this.#missedScrapes = sight === 'missed' ? this.#missedScrapes + 1 : 0;
    if (!this.#isLost(sight, this.#missedScrapes)) return;
    this.#lose({ kind: 'unwell', sight, message: TROUBLE[sight] });
    this.#schedule();
  }

  /** Looks now, unless a look is under way. */
  probeNow(): void {
    this.#timer?.cancel();
    if (!this.#probing && !this.#closed) void this.#probe();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #probe(): Promise<void> {
    const listing = this.#listing;
    this.#probing = true;
    const finding = await probe(this.#options.get, { models: listing.models, version: this.version });
    this.#probing = false;
    if (this.#closed) return;
    // The list was reloaded meanwhile: this answers a question that is no longer asked.
    if (listing !== this.#listing) return this.probeNow();
    if (finding.kind === 'well') this.#win(finding);
    else if (this.view.state !== 'ready') this.#note(finding);
    else if (this.#isLost(finding.sight, (this.#missedProbes += 1))) this.#lose(finding);
    this.#schedule();
  }

  #isLost(sight: Sight, misses: number): boolean {
    return sight === 'dead' || sight === 'refused' || misses >= MISSES_TO_LOSE;
  }

  #win({ models, version, engine }: Extract<Finding, { kind: 'well' }>): void {
    this.#missedProbes = 0;
    this.version = version;
    this.#show({ ...this.view, state: 'ready', stage: 'ready', models, engine });
  }

  #lose(finding: Unwell): void {
    const lastFailure = listedFailure(this.view.url, 'serving', finding, this.#options.clock.wall());
    this.version = null;
    this.#missedScrapes = 0;
    this.#retries = 0;
    this.#show({ ...this.view, state: 'starting', stage: null, lastFailure });
  }

  /** Still not ready. The same trouble again is no news. */
  #note(finding: Unwell): void {
    const lastFailure = listedFailure(this.view.url, 'starting', finding, this.#options.clock.wall());
    if (lastFailure.message !== this.view.lastFailure?.message) this.#show({ ...this.view, lastFailure });
  }

  #show(view: WorkerView): void {
    this.view = view;
    this.#options.changed();
  }

  #schedule(): void {
    if (this.#closed || this.#probing) return;
    this.#timer?.cancel();
    const ready = this.view.state === 'ready';
    const ms = ready ? READY_PROBE_MS : backOffMs(RETRY, this.#retries);
    this.#timer = this.#options.clock.after(ms, () => this.probeNow());
    this.#retries = ready ? 0 : this.#retries + 1;
  }
}

const TROUBLE: Record<Sight, string> = {
  refused: 'refuses connections',
  dead: 'answers /metrics with status 503',
  missed: 'has stopped answering /metrics',
  answered: 'answers',
};
