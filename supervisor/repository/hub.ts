import type { Clock } from '../../gateway/core/clock.ts';
import type { ModelProfile } from '../profile/schema.ts';
import { isRecord } from './fields.ts';
import type { Weights } from './local.ts';
import { weightFiles } from './local.ts';
import { profileOf } from './profile-of.ts';
import type { Environment } from './surroundings.ts';
import { hubAddress, hubToken } from './surroundings.ts';

/** What the hub says of a repository. `why` is in plain words, without a stop. */
export type HubAnswer =
  | { readonly kind: 'known'; readonly profile: ModelProfile }
  | { readonly kind: 'unknown' | 'missing' | 'gated'; readonly why: string };

/** A start waits for this: what is not known by then is not known. */
const PATIENCE_MS = 3000;
const MAX_BYTES = 4 * 2 ** 20;

/** Asks the hub for the dimensions of a model and the size of its weights. Downloads nothing else. Never throws, never takes long. */
export async function askHub(weights: Weights, clock: Clock, env: Environment): Promise<HubAnswer> {
  const { id, source, revision } = weights;
  const hub = hubAddress(env);
  const token = hubToken(env);
  const ending = new AbortController();
  const timer = clock.after(PATIENCE_MS, () => ending.abort());
  const name = source.split('/').map(encodeURIComponent).join('/');
  const at = encodeURIComponent(revision ?? 'main');
  const get = (path: string) => read(`${hub}${path}`, token, ending.signal);
  try {
    const [config, tree] = await Promise.all([get(`/${name}/resolve/${at}/config.json`), get(`/api/models/${name}/tree/${at}?limit=1000`)]);
    const refusal = refused(source, config, token !== null) ?? refused(source, tree, token !== null);
    if (refusal) return refusal;
    const files = (Array.isArray(tree.body) ? tree.body : []).filter(isRecord);
    const sizes = new Map(files.map((file) => [String(file['path']), Number(file['size']) || 0]));
    const weightsBytes = weightFiles([...sizes.keys()]).reduce((sum, path) => sum + (sizes.get(path) ?? 0), 0);
    const profile = profileOf({ id, source, config: config.body, weightsBytes, pools: sizes.has('modules.json'), gated: false });
    return profile ? { kind: 'known', profile } : { kind: 'unknown', why: `the files of ${source} do not tell its dimensions` };
  } catch (error) {
    const reason = ending.signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : causeOf(error);
    return { kind: 'unknown', why: `${new URL(hub).host} cannot be asked about ${source} (${reason})` };
  } finally {
    timer.cancel();
    ending.abort();
  }
}

interface Page {
  readonly status: number;
  /** The hub's own word for what is wrong; null where it has none. */
  readonly code: string | null;
  readonly body: unknown;
}

async function read(url: string, token: string | null, signal: AbortSignal): Promise<Page> {
  // A token is for the hub alone: fetch leaves it out where it is sent on to another host.
  const response = await fetch(url, { signal, headers: token === null ? {} : { authorization: `Bearer ${token}` } });
  const code = response.headers.get('x-error-code');
  if (!response.ok) return { status: response.status, code, body: null };
  if (Number(response.headers.get('content-length') ?? 0) > MAX_BYTES) throw new Error('its answer is too long');
  const text = await response.text();
  return { status: response.status, code, body: JSON.parse(text) as unknown };
}

function refused(source: string, { status, code }: Page, hasToken: boolean): HubAnswer | null {
  if (status < 400) return null;
  if (code === 'GatedRepo' || status === 403) return { kind: 'gated', why: gatedAdvice(source, hasToken) };
  if (code === 'RepoNotFound' || status === 401) {
    const hint = hasToken ? 'or the token in use may not see it' : 'or it is private: then set HF_TOKEN';
    return { kind: 'missing', why: `there is no repository ${source}, ${hint}` };
  }
  if (code === 'RevisionNotFound') return { kind: 'missing', why: `${source} has no such revision` };
  if (status === 404) return { kind: 'unknown', why: `${source} has no config.json` };
  return { kind: 'unknown', why: `the hub answered with status ${status} when asked about ${source}` };
}

/** Without a stop. */
export function gatedAdvice(source: string, hasToken: boolean): string {
  const how = hasToken ? 'with the account whose token is in use' : 'and set HF_TOKEN';
  return `the repository ${source} is gated: accept its licence at https://huggingface.co/${source} ${how}`;
}

function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? (error as Error).message;
}
