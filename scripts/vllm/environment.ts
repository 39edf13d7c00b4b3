import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What is installed and tested unless told otherwise. */
export const DEFAULT_VERSION = '0.32.0';

/** A Python environment with a real vLLM for CPUs in it, and a model small enough for every machine. */
export interface VllmEnvironment {
  readonly folder: string;
  readonly python: string;
  /** Its `vllm` command. */
  readonly command: string;
  /** Folder of the tiny model: a tokenizer and dimensions, without weights. */
  readonly model: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Where the environment of `version` lies or would lie: HEADGATE_VLLM_ENV names the folder, else it is one below the user's caches. */
export function environmentAt(version: string, env: Env): VllmEnvironment {
  return environmentIn(env['HEADGATE_VLLM_ENV'] || join(cacheFolder(env), `vllm-${version}`));
}

export function environmentIn(folder: string): VllmEnvironment {
  return { folder, python: join(folder, 'bin/python'), command: join(folder, 'bin/vllm'), model: join(folder, 'tiny') };
}

/** The folder that holds the environments of all versions. */
export function cacheFolder(env: Env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'headgate');
}

/** Every environment that is there, the one of HEADGATE_VLLM_ENV first. */
export function installedEnvironments(env: Env): VllmEnvironment[] {
  const cache = cacheFolder(env);
  const cached = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('vllm-')) : [];
  const folders = [env['HEADGATE_VLLM_ENV'], ...cached.toSorted().map((name) => join(cache, name))];
  return [...new Set(folders)]
    .flatMap((folder) => (folder ? [environmentIn(folder)] : []))
    .filter((environment) => installedVersion(environment) !== null);
}

/** The version of vLLM in an environment, such as `0.32.0`; null while there is none, or only half of one. */
export function installedVersion({ folder, command }: VllmEnvironment): string | null {
  if (!existsSync(command)) return null;
  const names = sitePackages(folder).flatMap((packages) => readdirSync(packages));
  return names.map((name) => /^vllm-(\d[\w.]*)\+cpu\.dist-info$/.exec(name)?.[1]).find((version) => version !== undefined) ?? null;
}

/** `site-packages` of the environment; none before it is made. */
export function sitePackages(folder: string): string[] {
  const lib = join(folder, 'lib');
  if (!existsSync(lib)) return [];
  return readdirSync(lib)
    .map((name) => join(lib, name, 'site-packages'))
    .filter((path) => existsSync(path));
}
