import { existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Clock } from '../../gateway/core/clock.ts';
import type { ModelProfile } from '../profile/schema.ts';
import { askHub } from './hub.ts';
import type { Weights } from './local.ts';
import { findHere, hasNoTokenizer, isRepository } from './local.ts';
import type { Environment } from './surroundings.ts';
import { hubCache, offlineBy } from './surroundings.ts';

/** What can be known of a model before it is started. `why` is in plain words, without a stop. */
export type ModelFacts =
  | { readonly kind: 'known'; readonly profile: ModelProfile; readonly isHere: boolean }
  /** It may well run; nobody can say how it fits. */
  | { readonly kind: 'unknown'; readonly why: string; readonly isHere: boolean }
  /** gated: it is there, but not for us as we are. */
  | { readonly kind: 'missing' | 'gated'; readonly why: string };

/** Whether what is said of paths is true where the engine will run: in a container, or on another machine, there are others. */
export function seesOurFiles(command: readonly string[]): boolean {
  return !/(?:^|\/)(?:docker|podman|nerdctl|apptainer|singularity|enroot|kubectl|ssh|srun|env-docker)$/.test(command[0] ?? '');
}

/** What this machine's files say. */
export function lookHere(weights: Weights, cwd: string, env: Environment): ModelFacts {
  const { source } = weights;
  const found = findHere(weights, cwd, env);
  if (found?.broken) return { kind: 'missing', why: `${found.broken}: fetch the model’s files anew` };
  // vLLM starts, and then answers nothing that makes sense.
  if (found?.folder === resolve(cwd, source) && weights.tokenizerElsewhere !== true && hasNoTokenizer(found.folder))
    return { kind: 'missing', why: `there is no tokenizer in ${found.folder}: fetch its files, or name another by engine.tokenizer` };
  if (found?.profile) return { kind: 'known', profile: found.profile, isHere: true };
  if (found) return { kind: 'unknown', why: `the files in ${found.folder} do not tell its dimensions`, isHere: true };
  // Whatever is fetched from elsewhere (s3://…) is for vLLM to judge.
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(source)) return { kind: 'unknown', why: 'its files are not on this machine', isHere: false };
  const path = resolve(cwd, source);
  if (existsSync(path)) return folderWithoutConfig(path);
  if (!isRepository(source)) return { kind: 'missing', why: `there is no folder ${path}` };
  const offline = offlineBy(env);
  if (offline === null) return { kind: 'unknown', why: `${source} has not been downloaded yet`, isHere: false };
  return {
    kind: 'missing',
    why: `${source} is not in ${hubCache(env)}, and ${offline} forbids to download it: unset that, or run "hf download ${source}" first`,
  };
}

/** The same, and where the files are not here what the hub says of them. */
export async function lookAround(weights: Weights, cwd: string, env: Environment, clock: Clock): Promise<ModelFacts> {
  const here = lookHere(weights, cwd, env);
  if (here.kind !== 'unknown' || here.isHere || !isRepository(weights.source)) return here;
  const answer = await askHub(weights, clock, env);
  if (answer.kind === 'known') return { ...answer, isHere: false };
  return answer.kind === 'unknown' ? { kind: 'unknown', why: answer.why, isHere: false } : { kind: answer.kind, why: answer.why };
}

/** Some formats need no config.json. */
function folderWithoutConfig(path: string): ModelFacts {
  const files = statSync(path).isDirectory() ? readdirSync(path) : [path];
  const isOther = files.some((name) => name.endsWith('.gguf') || name === 'params.json');
  if (isOther) return { kind: 'unknown', why: `nothing in ${path} tells its dimensions`, isHere: true };
  return { kind: 'missing', why: `${path} has no config.json, so it is not a folder with a model` };
}
