import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the hub's library keeps what it has downloaded, as its own variables say. */
export function hubCache(env: Environment): string {
  return env['HF_HUB_CACHE'] ?? env['HUGGINGFACE_HUB_CACHE'] ?? join(hubHome(env), 'hub');
}

function hubHome(env: Environment): string {
  return env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache'), 'huggingface');
}

/** The token for repositories that ask for one: of the environment, or as `hf auth login` has stored it; null where there is none. */
export function hubToken(env: Environment): string | null {
  const given = env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN'];
  if (given) return given;
  try {
    return readFileSync(env['HF_TOKEN_PATH'] ?? join(hubHome(env), 'token'), 'utf8').trim() || null;
  } catch {
    return null;
  }
}

/** Which variable forbids to ask the hub; null where none does. */
export function offlineBy(env: Environment): string | null {
  return ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) => /^(?:1|on|yes|true)$/i.test(env[name] ?? '')) ?? null;
}

export function hubAddress(env: Environment): string {
  return (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '');
}
