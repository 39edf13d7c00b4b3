import type { SupervisedModel } from '../link/snapshot.ts';
import type { ModelEntry, ModelState, ServedModel, Worker, WorkerView } from '../core/worker.ts';

/** A model that the settings name, whether or not a worker serves it. */
export interface ConfiguredModel {
  readonly id: string;
  readonly aliases: readonly string[];
  /** "chat", "tools", "vision", …; what the supervisor says counts where this is absent. */
  readonly capabilities?: readonly string[];
  /** Models behind its name. Absent or null: it is one itself. */
  readonly pool?: readonly string[] | null;
  /** Models that its calls go to when it cannot take them. */
  readonly fallback?: readonly string[];
}

/**
 * Every model a client may name: those of the settings in their order, then the supervisor's, then what workers serve besides.
 * The first is the default. `createdAt` is asked for a model's birth, in seconds since the epoch.
 */
export function listModels(
  configured: readonly ConfiguredModel[],
  supervised: readonly SupervisedModel[],
  workers: readonly Worker[],
  createdAt: (id: string) => number,
): ModelEntry[] {
  const fromSettings = new Map(configured.map((model) => [model.id, model]));
  const fromSupervisor = new Map(supervised.map((model) => [model.id, model]));
  const serving = groupByModel(workers);
  const ids = new Set([...fromSettings.keys(), ...fromSupervisor.keys(), ...serving.keys()]);
  const entries = [...ids].map((id) => {
    const asked = fromSettings.get(id);
    const one = entry(id, asked, fromSupervisor.get(id), serving.get(id) ?? [], createdAt(id));
    return asked?.fallback?.length ? { ...one, fallback: asked.fallback } : one;
  });
  const known = new Map(entries.map((each) => [each.id, each]));
  return entries.map((each) => {
    const pool = fromSettings.get(each.id)?.pool;
    return pool
      ? poolEntry(
          each,
          pool,
          pool.map((id) => known.get(id)).filter((member) => member !== undefined),
        )
      : each;
  });
}

/** The best that one of them is. */
const BEST_FIRST: readonly ModelState[] = ['ready', 'loading', 'available', 'failed'];

/**
 * A pool is what the best of its members is, and promises what all of those keep that may be asked now. A model of its own name that some
 * worker has is not to be reached: the name is the pool's.
 */
function poolEntry(own: ModelEntry, pool: readonly string[], members: readonly ModelEntry[]): ModelEntry {
  const state = BEST_FIRST.find((each) => members.some((member) => member.state === each)) ?? 'available';
  const best = members.filter((member) => member.state === state);
  const [first, ...others] = best;
  const profile = first?.profile ?? null;
  return {
    ...own,
    // It is at home nowhere: what its members are called there means them.
    root: null,
    parent: null,
    maxModelLen: least(best.map((member) => member.maxModelLen)),
    state,
    profile: others.every((member) => member.profile === profile) ? profile : null,
    capabilities: own.capabilities.length > 0 ? own.capabilities : common(best.map((member) => member.capabilities)),
    etaSeconds: state === 'ready' ? null : least(members.filter(({ loadable }) => loadable).map(({ etaSeconds }) => etaSeconds)),
    loadable: members.some(({ loadable }) => loadable),
    pool,
  };
}

function common([first = [], ...others]: readonly (readonly string[])[]): readonly string[] {
  return first.filter((each) => others.every((other) => other.includes(each)));
}

interface Serving {
  readonly view: WorkerView;
  readonly model: ServedModel;
}

function groupByModel(workers: readonly Worker[]): Map<string, Serving[]> {
  const groups = new Map<string, Serving[]>();
  for (const { view } of workers) {
    for (const model of view.models) {
      const group = groups.get(model.id);
      if (group) group.push({ view, model });
      else groups.set(model.id, [{ view, model }]);
    }
  }
  return groups;
}

function entry(
  id: string,
  configured: ConfiguredModel | undefined,
  supervised: SupervisedModel | undefined,
  serving: readonly Serving[],
  created: number,
): ModelEntry {
  const served = stateOf(serving);
  // A model that no worker has may be on its way to one.
  const state = served === 'available' ? unserved(supervised) : served;
  const ready = serving.filter(isReady);
  const telling = ready.length > 0 ? ready : serving;
  const first = telling[0];
  return {
    id,
    aliases: [...new Set([...(configured?.aliases ?? []), ...(supervised?.aliases ?? [])])],
    root: first?.model.root ?? null,
    parent: first?.model.parent ?? null,
    // Replicas may differ after one was degraded; only the least is a promise that all can keep.
    maxModelLen: least(telling.map(({ model }) => model.maxModelLen)) ?? supervised?.maxModelLen ?? null,
    created,
    state,
    profile: first?.view.profile ?? null,
    capabilities: configured?.capabilities ?? supervised?.capabilities ?? [],
    etaSeconds: served === 'loading' ? least(serving.filter(isLoading).map(({ view }) => view.etaSeconds)) : etaOf(state, supervised),
    loadable: state !== 'failed' && supervised?.loadable === true,
  };
}

function isReady({ view, model }: Serving): boolean {
  return view.state === 'ready' && model.isIdle !== true;
}

function stateOf(serving: readonly Serving[]): ModelState {
  if (serving.some(isReady)) return 'ready';
  if (serving.some(isLoading)) return 'loading';
  if (serving.some(({ view }) => view.state === 'failed')) return 'failed';
  return 'available';
}

/** It says "ready" of one that has just gone out of sight; nobody has it then. */
function unserved(supervised: SupervisedModel | undefined): ModelState {
  const state = supervised?.state ?? 'available';
  return state === 'ready' ? 'available' : state;
}

function etaOf(state: ModelState, supervised: SupervisedModel | undefined): number | null {
  return state === 'ready' || state === 'failed' ? null : (supervised?.etaSeconds ?? null);
}

function isLoading({ view }: Serving): boolean {
  return view.state === 'starting' || view.state === 'warming' || view.state === 'backoff';
}

function least(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.min(...known) : null;
}
