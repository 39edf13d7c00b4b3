import { isObject, parsed } from '../core/json/json.ts';
import type { EngineFigures } from '../vllm/metrics.ts';
import type { EngineAdapter } from './adapter.ts';
import { errorReader } from './error-reader.ts';
import { ofVllmAlone } from './fields.ts';
import { gaugePage } from './gauge-page.ts';
import { same } from './routes.ts';

/** null where it was started without --enable-metrics. */
const readMetrics = gaugePage({
  running: '\nsglang:num_running_reqs',
  waiting: '\nsglang:num_queue_reqs',
  // Of what can be thrown out of its prefix cache nothing is counted in.
  kvUsage: '\nsglang:token_usage',
  // The first two move when a request ends, the third while it runs.
  work: ['\nsglang:generation_tokens_total', '\nsglang:prompt_tokens_total', '\nsglang:realtime_tokens_total'],
});

/**
 * SGLang (python/sglang/srt/entrypoints/http_server.py, 0.5.23). Its health check makes a token and so takes a second at least; it waits
 * up to 20 s for an engine that is in the middle of something. 503 there is said without words, of a start, a stop and a hung engine alike.
 */
export const SGLANG: EngineAdapter = {
  kind: 'sglang',
  name: 'SGLang',
  health: {
    path: '/health',
    timeoutMs: 25_000,
    sightOf: (status, _body, wasReady) => (status === 503 ? (wasReady ? 'dead' : 'loading') : 'answered'),
  },
  lookMs: 10_000,
  loads: [
    { path: '/metrics', timeoutMs: 2_000, read: readMetrics, isWitness: true },
    { path: '/v1/loads?include=core', timeoutMs: 2_000, read: readLoads },
  ],
  version: { path: '/server_info', read: readVersion },
  routes: same(
    ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages', '/v1/messages/count_tokens', '/v1/embeddings'],
    ['/v1/score', '/v1/rerank', '/tokenize', '/detokenize', '/v1/audio/transcriptions', '/v1/responses/{id}', '/v1/responses/{id}/cancel'],
    { '/score': '/v1/score', '/rerank': '/v1/rerank' },
  ),
  // Where it heeds a priority, the higher number goes first, unless it was started otherwise.
  drops: ['priority'],
  lacks: [...ofVllmAlone, 'prompt_logprobs', 'allowed_token_ids', 'bad_words'],
  asksUsage: true,
  errors: errorReader({
    tooLong: /context length|exceeds the KV memory budget/,
    death: /scheduler (?:died|hit an exception)|Server is shutting down/i,
  }),
  advice: 'Start it with --enable-metrics.',
};

/** One entry for each of its data-parallel ranks. */
function readLoads(page: string): EngineFigures | null {
  const value = parsed(page);
  const loads = isObject(value) && Array.isArray(value['loads']) ? value['loads'].filter(isObject) : [];
  if (loads.length === 0 || loads.some((load) => typeof load['num_running_reqs'] !== 'number')) return null;
  const all = (name: string): number => loads.reduce((total, load) => total + numberOf(load[name]), 0);
  return {
    running: all('num_running_reqs'),
    waiting: all('num_waiting_reqs'),
    kvUsage: Math.max(...loads.map((load) => numberOf(load['token_usage']))),
    // What is in its cache moves with each token, if not only up.
    work: all('total_prefill_uncached_tokens') + all('num_used_tokens'),
    kvCacheBytes: null,
    kvCacheTokens: null,
  };
}

function readVersion(page: string): string | null {
  const value = parsed(page);
  return isObject(value) && typeof value['version'] === 'string' ? value['version'] : null;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
