import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import type { SupervisedModel } from '../link/snapshot.ts';
import type { WorkerTransport } from '../core/transport.ts';
import type { ModelEntry, Worker, WorkerDirectory, WorkerView } from '../core/worker.ts';
import { servedBy } from '../core/pools/served-name.ts';
import { DirectoryWorker, type TransportTarget } from './directory-worker.ts';
import { type ConfiguredModel, listModels } from './model-list.ts';

interface DirectoryOptions {
  readonly clock: Clock;
  readonly events: Pick<Events, 'workerChanged'>;
  /** The models of the settings; the first is the default. */
  readonly models: readonly ConfiguredModel[];
  /** The directory closes what this makes. It may be called again for an id whose url, key or size has changed. */
  readonly createTransport: (target: TransportTarget) => WorkerTransport;
  /** How long the calls of a worker that has left may go on. Default: an hour. */
  readonly retireLimitMs?: () => number;
}

/** A directory that a source of workers writes to. */
export interface LiveDirectory extends WorkerDirectory {
  /**
   * Takes the whole list of workers there are now, in their order; a worker that is not in it leaves.
   * `models`: those the supervisor knows besides (those of the last time when absent). `apiKeys`: by worker id.
   */
  apply(views: readonly WorkerView[], models?: readonly SupervisedModel[], apiKeys?: ReadonlyMap<string, string>): void;
  /** Replaces the models of the settings. */
  setModels(models: readonly ConfiguredModel[]): void;
  worker(id: string): Worker | null;
}

const RETIRE_LIMIT_MS = 3_600_000;
const NO_KEYS: ReadonlyMap<string, string> = new Map();
const NO_WORKERS: readonly Worker[] = [];

/** The gateway's live view of its workers. What the hot path asks is answered from tables that are rebuilt on change. */
export function createDirectory(options: DirectoryOptions): LiveDirectory {
  const { clock, events, createTransport } = options;
  const workerOptions = { clock, createTransport, retireLimitMs: options.retireLimitMs ?? (() => RETIRE_LIMIT_MS) };
  const listeners = new Set<() => void>();
  const bornAt = new Map<string, number>();
  /** Workers that have left while calls of theirs were in flight. */
  const leaving = new Map<string, DirectoryWorker>();
  let kept = new Map<string, DirectoryWorker>();
  let workers: readonly DirectoryWorker[] = [];
  let configured = options.models;
  let supervised: readonly SupervisedModel[] = [];
  let models: readonly ModelEntry[] = [];
  let byName = new Map<string, ModelEntry>();
  let ready = new Map<string, Worker[]>();
  /** Pools, and the models in them. */
  let shared: ReadonlySet<string> = new Set();
  rebuild();

  /** @returns whether the models are not what they were */
  function rebuild(): boolean {
    const before = models;
    models = listModels(configured, supervised, workers, createdAt);
    byName = new Map();
    // An id goes before an alias, an alias before a root: what a model is called where it comes from, on Hugging Face for one.
    for (const model of models) if (model.root !== null && !byName.has(model.root)) byName.set(model.root, model);
    for (const model of models.toReversed()) for (const alias of model.aliases) byName.set(alias, model);
    for (const model of models) byName.set(model.id, model);
    ready = new Map();
    for (const worker of workers) {
      if (worker.view.state !== 'ready') continue;
      for (const id of new Set(worker.view.models.filter(({ isIdle }) => isIdle !== true).map((model) => model.id))) {
        const others = ready.get(id);
        if (others) others.push(worker);
        else ready.set(id, [worker]);
      }
    }
    const pools = models.filter((model) => model.pool !== undefined);
    shared = new Set(pools.flatMap(({ id, pool = [] }) => [id, ...pool]));
    for (const { id, pool } of pools) {
      ready.set(
        id,
        workers.filter((worker) => worker.view.state === 'ready' && servedBy(worker, id, pool) !== null),
      );
    }
    return !isDeepStrictEqual(before, models);
  }

  function createdAt(id: string): number {
    const seconds = bornAt.get(id) ?? Math.floor(clock.wall() / 1000);
    bornAt.set(id, seconds);
    return seconds;
  }

  function notify(): void {
    for (const listener of listeners) listener();
  }

  function apply(views: readonly WorkerView[], told?: readonly SupervisedModel[], apiKeys = NO_KEYS): void {
    const changes: (() => void)[] = [];
    const before = kept;
    const order = workers;
    kept = new Map();
    for (const view of views) {
      const apiKey = apiKeys.get(view.id) ?? null;
      const known = before.get(view.id) ?? leaving.get(view.id);
      const previous = before.get(view.id)?.view ?? null;
      const worker = known ?? new DirectoryWorker(view, apiKey, workerOptions);
      known?.update(view, apiKey);
      leaving.delete(view.id);
      kept.set(view.id, worker);
      if (!sameButForEta(previous, view)) changes.push(() => events.workerChanged(view, previous));
    }
    for (const worker of before.values()) {
      if (kept.has(worker.id)) continue;
      const previous = worker.view;
      worker.view = { ...previous, state: 'stopping', stage: null };
      worker.leave();
      leaving.set(worker.id, worker);
      changes.push(() => events.workerChanged(worker.view, previous));
    }
    for (const worker of leaving.values()) if (!worker.open) leaving.delete(worker.id);

    workers = [...kept.values()];
    supervised = told ?? supervised;
    const modelsChanged = rebuild();
    const orderChanged = workers.length !== order.length || workers.some((worker, index) => worker !== order[index]);
    for (const tell of changes) tell();
    if (changes.length > 0 || modelsChanged || orderChanged) notify();
  }

  return {
    workers: () => workers,
    worker: (id) => kept.get(id) ?? null,
    readyFor: (model) => ready.get(model) ?? NO_WORKERS,
    models: () => models,
    shares: (model) => shared.has(model),
    resolve: (name) => (name === null ? models[0] : byName.get(name)) ?? null,
    onChange(listener) {
      // Wrapped, so that one function registered twice is called twice and comes off once.
      const own = (): void => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    apply,
    setModels(next) {
      configured = next;
      if (rebuild()) notify();
    },
    async close() {
      listeners.clear();
      const all = [...kept.values(), ...leaving.values()];
      leaving.clear();
      await Promise.all(all.map((worker) => worker.close()));
    },
  };
}

/** The estimate counts down with every look; that alone is no event in a worker's life. */
function sameButForEta(a: WorkerView | null, b: WorkerView): boolean {
  return a !== null && (a === b || isDeepStrictEqual({ ...a, etaSeconds: null }, { ...b, etaSeconds: null }));
}
