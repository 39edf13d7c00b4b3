import type { ServedModel } from '../core/worker.ts';
import { type Sight, sightOfFailure, sightOfStatus } from './sight.ts';

/** WorkerTransport.get. */
export type ProbeGet = (path: string, timeoutMs: number) => Promise<{ status: number; body: string }>;

/** What a look at a worker found. `message` goes on from the worker's url: "… refuses connections". */
export type Finding =
  | { readonly kind: 'well'; readonly models: readonly ServedModel[]; readonly version: string | null; readonly engine: string | null }
  | { readonly kind: 'unwell'; readonly sight: Sight; readonly message: string };

const TIMEOUT_MS = 5000;

/**
 * Asks a worker whether it is well, what it serves (unless `known.models` says so) and its version (unless known).
 * Never throws.
 */
export async function probe(
  get: ProbeGet,
  known: { readonly models: readonly string[] | null; readonly version: string | null },
): Promise<Finding> {
  const health = await ask(get, '/health');
  if (health.kind === 'unwell') return health;
  let models = known.models?.map(modelNamed);
  if (!models) {
    const list = await ask(get, '/v1/models');
    if (list.kind === 'unwell') return list;
    models = readModels(list.body);
    if (models.length === 0) return { kind: 'unwell', sight: 'answered', message: 'names no models at /v1/models' };
  }
  const version = known.version ?? (await askVersion(get));
  return { kind: 'well', models, version, engine: engineOf(version) };
}

/** A model of which only the name is known. */
export function modelNamed(id: string): ServedModel {
  return { id, root: null, parent: null, maxModelLen: null };
}

async function ask(get: ProbeGet, path: string): Promise<{ kind: 'answer'; body: string } | Extract<Finding, { kind: 'unwell' }>> {
  try {
    const { status, body } = await get(path, TIMEOUT_MS);
    if (status === 200) return { kind: 'answer', body };
    return { kind: 'unwell', sight: sightOfStatus(status), message: `answers ${path} with status ${status}` };
  } catch (error) {
    const sight = sightOfFailure(error);
    return { kind: 'unwell', sight, message: sight === 'refused' ? 'refuses connections' : `does not answer ${path}` };
  }
}

/** Nice to know, no condition: a server that will not tell is as welcome. */
async function askVersion(get: ProbeGet): Promise<string | null> {
  const answer = await ask(get, '/version');
  const said = answer.kind === 'answer' ? parse(answer.body) : null;
  return isRecord(said) && typeof said['version'] === 'string' ? said['version'] : null;
}

/** The simulated engine marks its version: 0.29.0+sim. */
function engineOf(version: string | null): string | null {
  if (version === null) return null;
  return version.endsWith('+sim') ? 'sim' : 'vllm';
}

function readModels(body: string): ServedModel[] {
  const page = parse(body);
  const data: unknown = isRecord(page) ? page['data'] : null;
  if (!Array.isArray(data)) return [];
  return data.flatMap((card: unknown) => {
    if (!isRecord(card) || typeof card['id'] !== 'string' || card['id'] === '') return [];
    return {
      id: card['id'],
      root: typeof card['root'] === 'string' ? card['root'] : null,
      parent: typeof card['parent'] === 'string' ? card['parent'] : null,
      maxModelLen: typeof card['max_model_len'] === 'number' ? card['max_model_len'] : null,
    };
  });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
