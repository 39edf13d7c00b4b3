import type { ServedModel } from '../core/worker.ts';
import { readModels, readPaused, readVersion } from '../vllm/answers.ts';
import { isAsleep, processStart } from '../vllm/metrics.ts';
import { type Sight, sightOfFailure, sightOfStatus } from '../vllm/sight.ts';
import { type Unreached, whyUnreached } from '../vllm/unreached.ts';
import { engineOf } from '../vllm/version.ts';
import { troubleOf } from './listed-failure.ts';

/** WorkerTransport.get. */
export type GetPage = (path: string, timeoutMs: number) => Promise<{ status: number; body: string }>;

/** What a look at a worker found. `message` goes on from the worker's url: "… refuses connections". */
export type Finding =
  | {
      readonly kind: 'well';
      readonly models: readonly ServedModel[];
      readonly version: string | null;
      readonly engine: string | null;
      /** As `processStart`; null where that was not asked for as well. */
      readonly startedAt: number | null;
      /** Whether it says whether it is paused. */
      readonly tellsPause: boolean;
    }
  | { readonly kind: 'unwell'; readonly sight: Sight; readonly message: string; readonly why?: Unreached };

const TIMEOUT_MS = 5000;
const TROUBLE: Partial<Record<Sight, string>> = {
  refused: 'refuses connections',
  unseen: 'could not be asked: this process can open no more connections',
};

interface Known {
  readonly models: readonly string[] | null;
  readonly version: string | null;
  /** Its metrics are read anyway. */
  readonly ready: boolean;
  readonly tellsPause: boolean;
}

/**
 * Asks a worker whether it is well and takes requests up, what it serves (unless `known.models` says so) and its version (unless known).
 * Never throws.
 */
export async function lookAt(get: GetPage, known: Known): Promise<Finding> {
  const health = await ask(get, '/health');
  if (health.kind === 'unwell') return health;
  const metrics = known.ready ? null : await ask(get, '/metrics');
  const page = metrics?.kind === 'page' ? metrics.page : '';
  if (isAsleep(page)) return { kind: 'unwell', sight: 'asleep', message: troubleOf('asleep') };
  // Only a server in development mode can be paused, or asked about it.
  const paused = known.tellsPause ? await askPaused(get) : null;
  if (paused) return { kind: 'unwell', sight: 'paused', message: troubleOf('paused') };
  let models = known.models?.map(modelNamed);
  if (!models) {
    const list = await ask(get, '/v1/models');
    if (list.kind === 'unwell') return list;
    models = [...readModels(list.page)];
    if (models.length === 0) return { kind: 'unwell', sight: 'answered', message: 'names no models at /v1/models' };
  }
  const version = known.version ?? (await askVersion(get));
  return { kind: 'well', models, version, engine: engineOf(version), startedAt: processStart(page), tellsPause: paused !== null };
}

/** A model of which only the name is known. */
export function modelNamed(id: string): ServedModel {
  return { id, root: null, parent: null, maxModelLen: null };
}

async function ask(get: GetPage, path: string): Promise<{ kind: 'page'; page: string } | Extract<Finding, { kind: 'unwell' }>> {
  try {
    const { status, body } = await get(path, TIMEOUT_MS);
    if (status === 200) return { kind: 'page', page: body };
    return { kind: 'unwell', sight: sightOfStatus(status), message: `answers ${path} with status ${status}` };
  } catch (error) {
    const sight = sightOfFailure(error);
    const why = sight === 'missed' ? whyUnreached(error) : null;
    if (why) return { kind: 'unwell', sight, message: why.message, why };
    return { kind: 'unwell', sight, message: TROUBLE[sight] ?? `does not answer ${path}` };
  }
}

async function askPaused(get: GetPage): Promise<boolean | null> {
  const answer = await ask(get, '/is_paused');
  return answer.kind === 'page' ? readPaused(answer.page) : null;
}

/** Nice to know, no condition: a server that will not tell is as welcome. */
async function askVersion(get: GetPage): Promise<string | null> {
  const answer = await ask(get, '/version');
  return answer.kind === 'page' ? readVersion(answer.page) : null;
}
