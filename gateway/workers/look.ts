import { ADAPTERS, adapterOf } from '../engines/adapters.ts';
import type { EngineAdapter } from '../engines/adapter.ts';
import { type EngineKind, type ModelPage, readModelPage } from '../engines/model-page.ts';
import type { ServedModel, WorkerView } from '../core/worker.ts';
import { readPaused, readVersion } from '../vllm/answers.ts';
import { isAsleep, processStart } from '../vllm/metrics.ts';
import { type Sight, sightOfFailure } from '../vllm/sight.ts';
import { type Unreached, whyUnreached } from '../vllm/unreached.ts';
import { engineOf } from '../vllm/version.ts';
import { troubleOf } from './listed-failure.ts';
import { type Amiss, gatewayBehind, IS_GATEWAY, wrongEngine, wrongModels } from './listed-amiss.ts';

/** WorkerTransport.get. */
export type GetPage = (path: string, timeoutMs: number, via?: string) => Promise<{ status: number; body: string }>;

/** What a look at a worker found. `message` goes on from the worker's url: "… refuses connections". */
export type Finding = (Well & { readonly kind: 'well' }) | Unwell;

/** What a worker that is well has told of itself. */
export interface Well {
  readonly models: readonly ServedModel[];
  readonly version: string | null;
  /** As `WorkerView.engine`. */
  readonly engine: string | null;
  /** As `processStart`; null where that was not asked for as well. */
  readonly startedAt: number | null;
  /** Whether it says whether it is paused. */
  readonly tellsPause: boolean;
  /** The id of the Headgate that it is; null: it is none. Absent where that was not found out as well. */
  readonly gateway?: string | null;
  /** It serves, and its line in the settings says something else of it. */
  readonly amiss?: Amiss;
}

export interface Unwell {
  readonly kind: 'unwell';
  readonly sight: Sight;
  readonly message: string;
  readonly why?: Unreached;
}

const TIMEOUT_MS = 5000;
const GATEWAY_LOOK_MS = 5000;
const MODELS = '/v1/models';
const NO_PAGE: ModelPage = { models: [], kind: null, owners: [], isGateway: false, gateway: null };
const TROUBLE: Partial<Record<Sight, string>> = {
  refused: 'refuses connections',
  unseen: 'could not be asked: this process can open no more connections',
  loading: troubleOf('loading'),
};

export interface Known {
  readonly models: readonly string[] | null;
  /** As its line in the settings says; auto: as it is found to be. */
  readonly engine: EngineKind | 'auto';
  /** What it was found to be when it was last seen well; null: it has yet to be found out. */
  readonly found: string | null;
  /** The Headgate that it was found to be; null: none. undefined: that has yet to be found out. */
  readonly gateway?: string | null | undefined;
  /** What tells a gateway who asks. Absent: nobody that could be one of its workers. */
  readonly via?: string | undefined;
  /** A place where workers are looked for has named it, and nobody by its url. */
  readonly isFound: boolean;
  readonly version: string | null;
  /** Its metrics are read anyway. */
  readonly ready: boolean;
  readonly tellsPause: boolean;
  /** Its models are to be asked for in any case. Absent: where it was not well, or they are not listed. */
  readonly asksModels?: boolean;
}

/** A page, or why there is none. */
type Asked = { readonly kind: 'page'; readonly status: number; readonly page: string } | Unwell;

/**
 * Asks a worker whether it is well and takes requests up, what it serves (unless `known.models` says so) and its version (unless known).
 * Which engine it is follows from who it says its models are owned by, unless the settings say so: that page is asked for first, since a
 * gateway of somebody's own may ask all that stand behind it when it is asked how it is. Never throws.
 */
export async function lookAt(get: GetPage, known: Known): Promise<Finding> {
  const isStrange = !known.ready || known.found === null || known.asksModels === true || known.gateway !== null;
  const first = isStrange ? await ask(get, MODELS, TIMEOUT_MS, known.gateway == null ? undefined : known.via) : null;
  if (first?.kind === 'unwell') return first;
  const said = pageOf(first);
  // A gateway is told who asks, and says for which models it has nobody besides.
  const list = said?.gateway != null && known.gateway == null ? await ask(get, MODELS, TIMEOUT_MS, known.via) : first;
  if (list?.kind === 'unwell') return list;
  const own = pageOf(list);
  const told = known.engine === 'auto' ? null : known.engine;
  const isUnmeant = told === null && own?.isGateway === true;
  if (isUnmeant && known.isFound) return unwell('answered', IS_GATEWAY);
  const kind = told ?? kindNamed(known.found) ?? (await kindOf(get, own));
  const finding = await lookBy(ADAPTERS[kind], get, known, list);
  if (isUnmeant && finding.kind === 'well') return { ...finding, amiss: gatewayBehind() };
  // Whatever a service runs behind its API is its own business.
  const named = told === null || told === 'openai' ? null : (own?.kind ?? null);
  if (finding.kind === 'well' && named !== null && named !== told) {
    return { ...finding, amiss: wrongEngine(ADAPTERS[told!], ADAPTERS[named], false) };
  }
  // What lists models serves them, whatever it was taken for.
  if (finding.kind === 'well' || finding.sight !== 'answered' || own === null || own.models.length === 0) return finding;
  const other = own.kind !== null && own.kind !== kind ? own.kind : 'openai';
  if (other === kind) return finding;
  const second = await lookBy(ADAPTERS[other], get, known, list);
  if (second.kind !== 'well') return finding;
  return told === null ? second : { ...second, amiss: wrongEngine(ADAPTERS[told], ADAPTERS[other], true) };
}

/** The simulated engine is asked as vLLM is. */
function kindNamed(engine: string | null): EngineKind | null {
  if (engine === 'sim') return 'vllm';
  return engine !== null && Object.hasOwn(ADAPTERS, engine) ? (engine as EngineKind) : null;
}

/** An owner that nobody here knows is a service's, unless it tells a version where vLLM does. */
async function kindOf(get: GetPage, own: ModelPage | null): Promise<EngineKind> {
  if (own === null || own.models.length === 0 || own.owners.length === 0) return 'vllm';
  if (own.kind !== null) return own.kind;
  const version = await ask(get, '/version', TIMEOUT_MS);
  return version.kind === 'page' && version.status === 200 && readVersion(version.page) !== null ? 'vllm' : 'openai';
}

async function lookBy(adapter: EngineAdapter, get: GetPage, known: Known, asked: Asked | null): Promise<Finding> {
  const { health } = adapter;
  const isVllm = adapter.kind === 'vllm';
  const list = asked?.kind === 'page' && asked.status === 200 ? asked : null;
  const answer = health.path === MODELS && asked !== null ? asked : await ask(get, health.path, health.timeoutMs);
  if (answer.kind === 'unwell') return answer;
  if (answer.status !== 200) {
    const sight = health.sightOf(answer.status, answer.page, known.ready);
    if (sight !== null) return unwell(sight, TROUBLE[sight] ?? `answers ${health.path} with status ${answer.status}`);
  }
  const metrics = known.ready || !isVllm ? null : await ask(get, '/metrics', TIMEOUT_MS);
  const page = metrics?.kind === 'page' && metrics.status === 200 ? metrics.page : '';
  if (isAsleep(page)) return unwell('asleep', troubleOf('asleep'));
  // Only a server in development mode can be paused, or asked about it.
  const paused = known.tellsPause && isVllm ? await askPaused(get) : null;
  if (paused) return unwell('paused', troubleOf('paused'));

  let models = known.models?.map(modelNamed);
  const own = pageOf(list);
  if (!models) {
    const found = own ?? (await askModels(get, health.path === MODELS ? answer : null));
    if ('kind' in found && found.kind === 'unwell') return found;
    models = [...(found as ModelPage).models];
    if (models.length === 0 && own?.gateway == null) return unwell('answered', `names no models at ${MODELS}`);
  }
  const gateway = gatewayTold(asked);
  if (own?.gateway != null) {
    const named = own.models.filter(({ id }) => models!.some((model) => model.id === id));
    const isIdle = named.every((model) => model.isIdle === true) && (named.length > 0 || own.models.length === 0);
    if (isIdle) return unwell('loading', 'is a gateway that has nobody ready for its models, unless it is this one');
    models = models.map((model) => named.find(({ id }) => id === model.id) ?? model);
  }
  const version = known.version ?? (adapter.version ? await askVersion(get, adapter.version) : null);
  const amiss = known.models && own && (isVllm || adapter.kind === 'openai') ? wrongModels(known.models, own.models) : null;
  return {
    ...{ kind: 'well', models, version, engine: isVllm ? engineOf(version) : adapter.kind },
    ...{ startedAt: processStart(page), tellsPause: paused !== null },
    ...(gateway !== undefined && { gateway }),
    ...(amiss !== null && { amiss }),
  };
}

/** Milliseconds between two looks at one that is well. What a gateway serves changes, and is told by its list alone. */
export function lookMsOf(view: WorkerView): number {
  return view.gateway == null ? adapterOf(view).lookMs : GATEWAY_LOOK_MS;
}

/** A model of which only the name is known. */
export function modelNamed(id: string): ServedModel {
  return { id, root: null, parent: null, maxModelLen: null };
}

/** In whatever order. */
export function sameIds(some: readonly ServedModel[], others: readonly ServedModel[]): boolean {
  const known = new Set(others.map(({ id }) => id));
  return some.length === others.length && some.every(({ id }) => known.has(id));
}

async function askModels(get: GetPage, answer: Asked | null): Promise<ModelPage | Unwell> {
  const list = answer ?? (await ask(get, MODELS, TIMEOUT_MS));
  if (list.kind === 'unwell') return list;
  if (list.status !== 200) return unwell(list.status === 503 ? 'dead' : 'answered', `answers ${MODELS} with status ${list.status}`);
  return readModelPage(list.page) ?? NO_PAGE;
}

function pageOf(asked: Asked | null): ModelPage | null {
  return asked?.kind === 'page' && asked.status === 200 ? readModelPage(asked.page) : null;
}

/** Whoever has no list of models is no gateway. One that cannot tell just now may be. */
function gatewayTold(asked: Asked | null): string | null | undefined {
  if (asked?.kind !== 'page' || asked.status >= 500) return undefined;
  return pageOf(asked)?.gateway ?? null;
}

async function ask(get: GetPage, path: string, timeoutMs: number, via?: string): Promise<Asked> {
  try {
    const { status, body } = await get(path, timeoutMs, via);
    return { kind: 'page', status, page: body };
  } catch (error) {
    const sight = sightOfFailure(error);
    const why = sight === 'missed' ? whyUnreached(error) : null;
    if (why) return { kind: 'unwell', sight, message: why.message, why };
    return unwell(sight, TROUBLE[sight] ?? `does not answer ${path}`);
  }
}

function unwell(sight: Sight, message: string): Unwell {
  return { kind: 'unwell', sight, message };
}

async function askPaused(get: GetPage): Promise<boolean | null> {
  const answer = await ask(get, '/is_paused', TIMEOUT_MS);
  return answer.kind === 'page' && answer.status === 200 ? readPaused(answer.page) : null;
}

/** Nice to know, no condition: a server that will not tell is as welcome. */
async function askVersion(get: GetPage, { path, read }: NonNullable<EngineAdapter['version']>): Promise<string | null> {
  const answer = await ask(get, path, TIMEOUT_MS);
  return answer.kind === 'page' && answer.status === 200 ? read(answer.page) : null;
}
