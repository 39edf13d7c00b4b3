import { isObject, parsed } from '../core/json/json.ts';
import { readVersion } from '../vllm/answers.ts';
import type { EngineFigures } from '../vllm/metrics.ts';
import { sightOfStatus } from '../vllm/sight.ts';
import type { EngineAdapter } from './adapter.ts';
import { errorReader } from './error-reader.ts';
import { ofVllmAlone } from './fields.ts';
import { gaugePage } from './gauge-page.ts';
import { same } from './routes.ts';

/** Whatever goes wrong in it is answered with 400 and the words of the exception: these are of no request's making. */
const ITS_OWN =
  /\b(?:CUDA|NCCL|MPI|cudaError\w*|Traceback|AssertionError|RuntimeError|KeyError)\b|out of memory|object has no attribute|internal error|shut(?:ting)? ?down|executor (?:worker|proxy)/i;

/** null where the counts of requests are not among them: older versions have times alone. */
const readMetrics = gaugePage({
  running: '\ntrtllm_num_requests_running',
  waiting: '\ntrtllm_num_requests_waiting',
  kvUsage: '\ntrtllm_kv_cache_utilization',
  work: ['\ntrtllm_generation_tokens_total', '\ntrtllm_prompt_tokens_total'],
});

/**
 * trtllm-serve (tensorrt_llm/serve/openai_server.py, 1.2 and 1.3). Its /metrics is JSON: what its iterations since the last look counted,
 * each told once, and where there were none it waits two seconds for one. Newer versions tell the same to Prometheus where they are
 * started with `return_perf_metrics`.
 */
export const TENSORRT_LLM: EngineAdapter = {
  kind: 'tensorrt-llm',
  name: 'TensorRT-LLM',
  health: { path: '/health', timeoutMs: 5_000, sightOf: sightOfStatus },
  lookMs: 5_000,
  loads: [
    { path: '/prometheus/metrics', timeoutMs: 2_000, read: readMetrics },
    { path: '/metrics', timeoutMs: 6_000, read: readIterations },
  ],
  version: { path: '/version', read: readVersion },
  routes: same(['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/responses/{id}']),
  drops: ['priority'],
  lacks: [...ofVllmAlone, 'prompt_logprobs', 'allowed_token_ids', 'bad_words'],
  asksUsage: true,
  errors: errorReader({
    meant: (status, said) => (status === 400 && said !== null && ITS_OWN.test(said.message) ? 'ours' : undefined),
    tooLong: /max_num_tokens|max_input_len|max_seq_len|maximum (?:context|sequence) length/,
    death: /LLM is (?:unavailable|shutting down)|executor (?:was|has been|is) shut ?down/i,
  }),
  advice: 'Start it with enable_iter_perf_stats: true in its configuration (--config, formerly --extra_llm_api_options).',
};

/** @returns null for an empty list, unless it has told something before: then it has done nothing since */
function readIterations(page: string, last: EngineFigures | null): EngineFigures | null {
  const value = parsed(page);
  if (!Array.isArray(value)) return null;
  const stat = value.findLast((each) => isObject(each) && typeof each['numActiveRequests'] === 'number') as
    | Record<string, unknown>
    | undefined;
  if (stat === undefined) return last === null ? null : { ...last, running: 0, waiting: 0, kvUsage: 0 };
  const kv = isObject(stat['kvCacheStats']) ? stat['kvCacheStats'] : {};
  const most = countIn(kv, 'maxNumBlocks');
  const waiting = countIn(stat, 'numQueuedRequests');
  return {
    running: Math.max(0, countIn(stat, 'numActiveRequests')),
    waiting,
    kvUsage: most > 0 ? Math.min(1, countIn(kv, 'usedNumBlocks') / most) : 0,
    work: countIn(stat, 'iter'),
    kvCacheBytes: null,
    kvCacheTokens: null,
  };
}

function countIn(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
