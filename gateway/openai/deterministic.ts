import type { JsonObject } from './json-body.ts';

/** Where an answer says something of the request alone, and nothing is drawn by chance. */
const CHANCELESS: ReadonlySet<string> = new Set([
  '/v1/embeddings',
  '/v2/embed',
  '/pooling',
  '/classify',
  '/v1/score',
  '/score',
  '/v1/rerank',
  '/rerank',
  '/v2/rerank',
]);
/** Where an answer is sampled. */
const SAMPLED: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions', '/v1/messages', '/v1/responses']);
/** Where a part of a message may name a picture, a sound or a film that lies elsewhere, and is another one tomorrow. */
const MEDIA: ReadonlySet<string> = new Set(['image_url', 'audio_url', 'video_url', 'file_url', 'source']);
/** Of a request that is told apart from others that ask the same: its answer carries the name. */
const NAMED = ['request_id', 'kv_transfer_params'];
/** What such a request says of how it is answered may have any name; media stand in what it says of. */
const SAID_IN = ['messages', 'input', 'prompt', 'system'];
const MOST_NODES = 20_000;

/**
 * Whether whoever sends the same request again may be given the same answer: nothing in it is left to chance, and nothing is kept for it,
 * fetched for it or done for it elsewhere. Pure.
 * @param value the request's JSON
 * @param path of the route
 */
export function isDeterministic(value: JsonObject, path: string): boolean {
  if (NAMED.some((name) => value[name] != null)) return false;
  if (CHANCELESS.has(path)) return refersToNothing(value);
  if (!SAMPLED.has(path)) return false;
  if (value['temperature'] !== 0 && !Number.isSafeInteger(value['seed'])) return false;
  if (path === '/v1/responses' && !isSelfContained(value)) return false;
  return SAID_IN.every((name) => refersToNothing(value[name]));
}

/** It is neither kept nor goes on from something that was, and asks for nothing but text and calls of the client's own functions. */
function isSelfContained({ store, background, previous_response_id: previous, tools, prompt }: JsonObject): boolean {
  const foreign = Array.isArray(tools) && tools.some((tool) => (tool as { type?: unknown } | null)?.type !== 'function');
  return store === false && background !== true && previous == null && prompt == null && !foreign;
}

/** No part of it has to be fetched, or is known to the engine by a name alone. */
function refersToNothing(root: unknown): boolean {
  const open: unknown[] = [root];
  for (let seen = 0; open.length > 0; seen++) {
    if (seen > MOST_NODES) return false;
    const node = open.pop();
    if (Array.isArray(node)) {
      // Texts and token ids refer to nothing.
      for (const item of node as unknown[]) if (typeof item === 'object' && item !== null) open.push(item);
      if (open.length > MOST_NODES) return false;
    } else if (typeof node === 'object' && node !== null) {
      for (const [name, item] of Object.entries(node)) {
        if (item === null) continue;
        if (name === 'uuid' || (MEDIA.has(name) && !isInline(item))) return false;
        if (typeof item === 'object') open.push(item);
      }
    }
  }
  return true;
}

function isInline(media: unknown): boolean {
  if (typeof media === 'string') return media.startsWith('data:');
  if (typeof media !== 'object') return false;
  const { url, type } = media as { url?: unknown; type?: unknown };
  // Anthropic's way to put a picture's bytes into the message.
  return type === 'base64' || type === 'text' || (typeof url === 'string' && url.startsWith('data:'));
}
