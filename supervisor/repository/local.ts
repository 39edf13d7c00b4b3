import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ModelProfile } from '../profile/schema.ts';
import type { Environment } from './surroundings.ts';
import { hubCache } from './surroundings.ts';
import { isRecord } from './fields.ts';
import { profileOf } from './profile-of.ts';

/** Which weights are meant. */
export interface Weights {
  readonly id: string;
  /** Repository or folder. */
  readonly source: string;
  /** Of the repository; null: main. */
  readonly revision: string | null;
  /** The engine's own cache (--download-dir); null: the hub's. */
  readonly downloadDir: string | null;
  /** The engine takes its tokenizer from elsewhere, or needs none. */
  readonly tokenizerElsewhere?: boolean;
}

/** `profile`: null when the files do not tell. `broken`: why no start with these files can succeed, without a stop; null where one may. */
export type Found = { readonly folder: string; readonly profile: ModelProfile | null; readonly broken: string | null };

/** owner/name, or the name alone, as the hub's oldest repositories have it. */
export function isRepository(source: string): boolean {
  return /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)?$/.test(source) && !source.includes('..');
}

/** The files of a model where they are on this machine: in a folder, or in the hub's cache. null when they are not here. */
export function findHere({ id, source, revision, downloadDir }: Weights, cwd: string, env: Environment): Found | null {
  const cache = downloadDir === null ? hubCache(env) : resolve(cwd, downloadDir);
  const places = [resolve(cwd, source), isRepository(source) ? snapshotIn(cache, source, revision ?? 'main') : null];
  const folder = places.find((path) => path !== null && existsSync(join(path, 'config.json')));
  if (!folder) return null;
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  } catch (error) {
    return { folder, profile: null, broken: `${join(folder, 'config.json')} cannot be read (${(error as Error).message})` };
  }
  const broken = isRecord(config) ? null : `${join(folder, 'config.json')} is no JSON object`;
  try {
    const pools = existsSync(join(folder, 'modules.json'));
    return { folder, profile: profileOf({ id, source, config, weightsBytes: sizeOfWeights(folder), pools, gated: false }), broken };
  } catch {
    return { folder, profile: null, broken };
  }
}

/** What a tokenizer may be kept in, by any library that vLLM reads it with. */
const TOKENIZER =
  /^(?:tokenizer\.|tokenizer_config\.json|vocab\.|merges\.txt|spiece|sentencepiece|tekken|tokenization_|preprocessor_config)|\.(?:model|tiktoken|gguf)$/;

/** Nothing in the folder tells how text becomes tokens. */
export function hasNoTokenizer(folder: string): boolean {
  return !readdirSync(folder).some((name) => TOKENIZER.test(name));
}

/** Where the hub's cache keeps a revision, by its name or its commit; null where it has none. */
function snapshotIn(cache: string, source: string, revision: string): string | null {
  const repository = join(cache, `models--${source.replace('/', '--')}`);
  const commit = readOr(join(repository, 'refs', revision)) ?? revision;
  const folder = join(repository, 'snapshots', commit);
  return /^[\w.-]+$/.test(commit) && existsSync(folder) ? folder : null;
}

function readOr(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

/** In bytes; a download that is not complete has an index that knows what will have come. */
function sizeOfWeights(folder: string): number {
  const files = readdirSync(folder);
  const bytes = weightFiles(files).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return Math.max(bytes, indexedBytes(readOr(join(folder, 'model.safetensors.index.json'))));
}

/** What an index of safetensors says of all of them, in bytes; 0 where it says nothing. */
export function indexedBytes(index: string | null): number {
  try {
    const parsed: unknown = JSON.parse(index ?? 'null');
    const metadata = isRecord(parsed) ? parsed['metadata'] : null;
    const total = isRecord(metadata) ? metadata['total_size'] : null;
    return typeof total === 'number' && total > 0 ? total : 0;
  } catch {
    return 0;
  }
}

/** Those of a repository's files that vLLM loads. Some bring the same weights twice, the second time in one piece or in another format. */
export function weightFiles(files: readonly string[]): readonly string[] {
  const safe = files.filter((name) => name.endsWith('.safetensors') && !name.includes('/'));
  const single = safe.filter((name) => name.startsWith('consolidated'));
  if (safe.length > 0) return single.length < safe.length ? safe.filter((name) => !single.includes(name)) : safe;
  return files.filter((name) => /^pytorch_model.*\.bin$/.test(name));
}
