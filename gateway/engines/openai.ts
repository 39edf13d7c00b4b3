import type { Sight } from '../vllm/sight.ts';
import type { EngineAdapter } from './adapter.ts';
import { errorReader, type Meant } from './error-reader.ts';
import { ofVllmAlone } from './fields.ts';
import { same } from './routes.ts';
import type { Said } from './said.ts';

/**
 * Whatever else speaks OpenAI's API: OpenAI itself, other providers, gateways. All that can be asked of it is its models. What it does is
 * judged by how it answers calls (pace.ts).
 */
export const OPENAI: EngineAdapter = {
  kind: 'openai',
  name: "OpenAI's API",
  health: { path: '/v1/models', timeoutMs: 10_000, sightOf },
  // Somebody's service on the internet, which may count what it is asked.
  lookMs: 30_000,
  loads: [],
  version: null,
  routes: same(
    ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/embeddings', '/v1/audio/transcriptions', '/v1/audio/translations'],
    ['/v1/responses/{id}', '/v1/responses/{id}/cancel'],
  ),
  drops: ['priority', 'cache_salt', 'request_id'],
  lacks: [...ofVllmAlone, 'prompt_logprobs', 'allowed_token_ids', 'bad_words', 'min_tokens'],
  asksUsage: true,
  errors: errorReader({ meant, tooLong: /maximum context length|context window|prompt is too long|input is too long/i }),
};

/** A service that lists no models, or asks for patience, is well as far as anyone can say. */
function sightOf(status: number, _body: string, wasReady: boolean): Sight | null {
  if (status === 404 || status === 405 || status === 501) return null;
  return status === 429 && wasReady ? null : 'answered';
}

function meant(status: number, said: Said | null): Meant | undefined {
  // Not the client's bill.
  if (status === 402 || said?.code === 'insufficient_quota') return 'ours';
  // It gave up waiting for itself · "overloaded", as some say it.
  if (status === 408 || status === 409) return 'ours';
  return status === 529 ? 'busy' : undefined;
}
