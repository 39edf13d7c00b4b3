import { backOffMs } from '../core/back-off.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { baseUrlOf, type ServedModel, type WorkerView } from '../core/worker.ts';
import type { Sight } from '../vllm/sight.ts';
import { listedAmiss, listedFailure, troubleOf } from './listed-failure.ts';
import { firstView, toldOf } from './first-view.ts';
import { type GetPage, lookAt, lookMsOf, modelNamed, sameIds, type Unwell, type Well } from './look.ts';
import { isAnother, lineOf, type ListedAddress, type WorkerListing } from './worker-listing.ts';

interface ListedWorkerOptions {
  readonly clock: Clock;
  readonly get: GetPage;
  /** What tells a gateway who asks. */
  readonly via: string | undefined;
  /** Calls of ours that it has. */
  readonly inFlight: () => number;
  /** Called when `view` has been replaced. What only brings more, or words, is not urgent. */
  readonly changed: (isUrgent: boolean) => void;
  /** It was asked, is well, and was not so before, or has other models; told before it is shown. `line`: as `lineOf` */
  readonly foundWell: (found: Well, line: string) => void;
}

/** In a row. vLLM's own node supervisor goes by the same number. */
const MISSES_TO_LOSE = 3;
/** What needs to be seen but once. */
const AT_ONCE: ReadonlySet<Sight> = new Set(['dead', 'refused', 'asleep', 'paused', 'stopping', 'loading']);
const RETRY = { firstMs: 500, longestMs: 5000 };
/** How often a worker that drains is asked whether its last call has ended. */
const EMPTY_LOOK_MS = 200;

/** How often one that has told calls that it lacks their model is asked for its models again, at the most. */
const MODELS_AGAIN_MS = 2_000;

/** How long one that is about to end is left alone where nothing tells its next life from this one. */
const STOPPING_MS = 30_000;

/** A worker that someone else runs: `starting` until it answers well, and again when it stops doing so. */
export class ListedWorker {
  view: WorkerView;
  apiKey: string | null;
  version: string | null = null;
  listing: WorkerListing;
  /** An operator has taken it out of service. */
  isHeld = false;

  /** Resolves when it has been asked once, or another process has told that it is well. */
  readonly known: Promise<void>;
  readonly #known = Promise.withResolvers<void>();
  readonly #options: ListedWorkerOptions;
  #timer: Timer | null = null;
  #looking = false;
  #closed = false;
  /** Looks planned since it was last ready. */
  #retries = 0;
  #missedLooks = 0;
  #missedScrapes = 0;
  /** Whoever found it says that it is about to end. */
  #isEnding = false;
  /** As its process tells; null where it does not. */
  #startedAt: number | null = null;
  /** Until when it is not asked again after it said that it is about to end, unless it has ended; null while it has not said so. */
  #stoppingUntil: number | null = null;
  #tellsPause = true;
  /** Which engine it is has been found out, in this life of it. */
  #isKnown = false;
  #emptying: Timer | null = null;
  /** It is to be asked for its models, also where they are listed. */
  #asksModels = false;
  #modelsAskedAt = -Infinity;
  /** How often another process has told that it is well. */
  #toldWell = 0;

  constructor(address: ListedAddress, listing: WorkerListing, options: ListedWorkerOptions) {
    this.known = this.#known.promise;
    this.listing = listing;
    this.#options = options;
    this.apiKey = listing.apiKey;
    this.view = firstView(address, listing);
  }

  /** It was found, and is not named by the settings. */
  get isFound(): boolean {
    return this.listing.source !== undefined;
  }

  /** Whoever found it says that it ends. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Nothing more is to come of it: it ends, and what it had is done. */
  get hasEnded(): boolean {
    return this.#isEnding && this.view.state === 'drained';
  }

  /** Whether the line speaks of another life at this address. */
  isAnother(listing: WorkerListing): boolean {
    return isAnother(this.listing, listing);
  }

  /** Takes over a line that names the same worker, which stays as ready as it is. @returns whether the line says anything new */
  relist(listing: WorkerListing): boolean {
    const { apiKey, models, maxNumSeqs, scheduling, group, engine } = this.listing;
    const sameModels = JSON.stringify(listing.models) === JSON.stringify(models);
    const sameEngine = listing.maxNumSeqs === maxNumSeqs && listing.scheduling === scheduling && listing.engine === engine;
    const sameFinding = listing.source === this.listing.source && (listing.isEnding ?? false) === this.#isEnding;
    if (listing.apiKey === apiKey && sameEngine && sameModels && listing.group === group && sameFinding) return false;
    this.listing = listing;
    this.apiKey = listing.apiKey;
    this.#isKnown = this.#isKnown && listing.engine === engine;
    if ((listing.isEnding ?? false) !== this.#isEnding) this.#setEnding(!this.#isEnding);
    const { source: _, ...view } = this.view;
    this.view = listing.source === undefined ? view : { ...view, source: listing.source };
    this.view = { ...this.view, ...toldOf(listing), models: listing.models?.map(modelNamed) ?? this.view.models };
    return true;
  }

  /** It is about to end, and has calls that it finishes. */
  get isStopping(): boolean {
    return this.#stoppingUntil !== null;
  }

  /** What the scraper saw, or a call was told. */
  observe(sight: Sight): void {
    if (this.view.state !== 'ready' || sight === 'unseen') return;
    if (sight === 'stopping') this.#stoppingUntil = this.#options.clock.now() + STOPPING_MS;
    this.#missedScrapes = sight === 'missed' ? this.#missedScrapes + 1 : 0;
    if (!this.#isLost(sight, this.#missedScrapes)) return;
    this.#lost({ kind: 'unwell', sight, message: troubleOf(sight) });
    this.#schedule();
  }

  /** It has other models than were known, as somebody says: what it serves is asked again, by a look that begins after that. */
  askModels(): void {
    const now = this.#options.clock.now();
    if (this.view.state !== 'ready' || now - this.#modelsAskedAt < MODELS_AGAIN_MS) return;
    this.#modelsAskedAt = now;
    this.#asksModels = true;
    this.lookNow();
  }

  /** Takes it out of service: it gets nothing new, and is drained once what it has is done. Looks go on. @returns false where it is already */
  drain(): boolean {
    if (this.isHeld || this.#isEnding) return false;
    this.isHeld = true;
    this.#empty();
    return true;
  }

  /** Puts it back: it is ready as soon as it is seen to be well. @returns false where it was not out */
  undrain(): boolean {
    if (!this.isHeld || this.#isEnding) return false;
    this.isHeld = false;
    this.#emptying?.cancel();
    this.#show({ ...this.view, state: 'starting', stage: null });
    this.lookNow();
    return true;
  }

  /** Another process has asked it just now, and it was well. @param line as that process has it */
  take(found: Well, line: string): void {
    if (this.#closed || line !== lineOf(this.listing)) return;
    // Not in answer to each word: what stands behind one address may never agree.
    if (this.view.state === 'ready' && !sameIds(this.view.models, found.models)) return this.askModels();
    if (this.view.state !== 'starting') return;
    this.#toldWell += 1;
    this.#showWell(found, () => {});
    this.#known.resolve();
  }

  /** Looks now, unless a look is under way. */
  lookNow(): void {
    this.#timer?.cancel();
    if (!this.#looking && !this.#closed) void this.#look();
  }

  /** Shown by whoever has asked for it, together with what else is new. */
  #setEnding(isEnding: boolean): void {
    this.#isEnding = isEnding;
    if (this.isHeld) return;
    this.#emptying?.cancel();
    if (!isEnding) this.view = { ...this.view, state: 'starting', stage: null };
    else if (this.#options.inFlight() === 0) this.view = { ...this.view, state: 'drained', stage: null };
    else {
      this.view = { ...this.view, state: 'draining', stage: null };
      this.#emptying = this.#options.clock.after(EMPTY_LOOK_MS, () => this.#empty());
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#emptying?.cancel();
    this.#known.resolve();
  }

  async #look(): Promise<void> {
    const listing = this.listing;
    this.#looking = true;
    const { version, isFound, view } = this;
    const { models, engine = 'auto' } = listing;
    const found = this.#isKnown ? (view.engine ?? 'vllm') : null;
    const toldWell = this.#toldWell;
    const asksModels = this.#asksModels;
    this.#asksModels = false;
    const { get, via } = this.#options;
    const told = { models, engine, found, gateway: view.gateway, version, isFound, ready: view.state === 'ready', asksModels, via };
    const finding = await lookAt(get, { ...told, tellsPause: this.#tellsPause });
    this.#looking = false;
    if (this.#closed) return;
    // The list was reloaded meanwhile: the finding answers a question that is no longer asked.
    if (listing !== this.listing) return this.lookNow();
    if (finding.kind === 'well') {
      const { kind: _, ...found } = finding;
      this.#showWell(found, () => this.#options.foundWell(found, lineOf(listing)));
    } else if (toldWell !== this.#toldWell) {
      // It was asked before it was well.
    } else if (this.view.state !== 'ready') this.#stillUnwell(finding);
    else if (finding.sight !== 'unseen' && this.#isLost(finding.sight, (this.#missedLooks += 1))) this.#lost(finding);
    this.#known.resolve();
    if (this.#asksModels) return this.lookNow();
    this.#schedule();
  }

  #empty(): void {
    const isEmpty = this.#options.inFlight() === 0;
    const state = isEmpty ? 'drained' : 'draining';
    if (this.view.state !== state) this.#show({ ...this.view, state, stage: null });
    if (!isEmpty) this.#emptying = this.#options.clock.after(EMPTY_LOOK_MS, () => this.#empty());
  }

  #isLost(sight: Sight, misses: number): boolean {
    return AT_ONCE.has(sight) || misses >= MISSES_TO_LOSE;
  }

  /** @param tell it is well from now on, and was not, or has other models */
  #showWell({ models, version, engine, startedAt, tellsPause, gateway, amiss }: Well, tell: () => void): void {
    this.#missedLooks = 0;
    this.#tellsPause = tellsPause;
    this.#isKnown = true;
    if (this.#stoppingUntil !== null) {
      const isNew =
        startedAt !== null && this.#startedAt !== null ? startedAt !== this.#startedAt : this.#options.clock.now() >= this.#stoppingUntil;
      if (!isNew) return;
      this.#stoppingUntil = null;
    }
    this.#startedAt = startedAt ?? this.#startedAt;
    this.version = version;
    const found: Partial<WorkerView> = this.isHeld || this.#isEnding ? {} : { state: 'ready', stage: 'ready' };
    const about = amiss ? listedAmiss(baseUrlOf(this.view), amiss, this.#options.clock.wall()) : null;
    const lastFailure = about !== null && about.message !== this.view.lastFailure?.message ? about : this.view.lastFailure;
    const isNews =
      this.view.state === 'starting' ? found.state === 'ready' : this.view.state === 'ready' && !sameIds(this.view.models, models);
    if (isNews) tell();
    this.#show({ ...this.view, ...found, ...(gateway !== undefined && { gateway }), models, engine, engineVersion: version, lastFailure });
  }

  #lost(finding: Unwell): void {
    const lastFailure = listedFailure(baseUrlOf(this.view), 'serving', finding, this.#options.clock.wall());
    this.version = null;
    this.#tellsPause = true;
    this.#isKnown = false;
    this.#missedScrapes = 0;
    this.#retries = 0;
    const { gateway: _, ...view } = this.view;
    this.#show({ ...view, state: 'starting', stage: null, lastFailure });
  }

  /** It was not ready before. The same trouble again is no news. */
  #stillUnwell(finding: Unwell): void {
    if (finding.sight === 'refused' || finding.sight === 'missed' || finding.sight === 'dead') {
      // What answers there next may be another server.
      this.#stoppingUntil = null;
      this.#startedAt = null;
      this.#tellsPause = true;
      this.#isKnown = false;
    }
    const lastFailure = listedFailure(baseUrlOf(this.view), 'starting', finding, this.#options.clock.wall());
    if (lastFailure.message !== this.view.lastFailure?.message) this.#show({ ...this.view, lastFailure });
  }

  #show(view: WorkerView): void {
    const isLost = view.state !== this.view.state && view.state !== 'ready';
    const lacks = ({ id, isIdle }: ServedModel): boolean =>
      isIdle !== true && !view.models.some((model) => model.id === id && model.isIdle !== true);
    const isUrgent = isLost || this.view.models.some(lacks);
    this.view = view;
    this.#options.changed(isUrgent);
  }

  #schedule(): void {
    if (this.#closed || this.#looking) return;
    this.#timer?.cancel();
    const ready = this.view.state === 'ready';
    // The scraper sees a crash sooner; a look finds a dead engine behind a living front, and new models.
    const ms = ready ? lookMsOf(this.view) : backOffMs(RETRY, this.#retries);
    this.#timer = this.#options.clock.after(ms, () => this.lookNow());
    this.#retries = ready ? 0 : this.#retries + 1;
  }
}
