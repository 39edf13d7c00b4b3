import { eachSample, largest, sum, sumOfAll } from './samples.ts';

/** What GET /metrics says about an engine's load and work. */
export interface EngineFigures {
  /** Summed over the worker's engines, as are all counts here. */
  readonly running: number;
  readonly waiting: number;
  /** 0..1, of the fullest engine: that is the one that preempts. */
  readonly kvUsage: number;
  /** Every token read or written so far, and every step: what only work moves. null where the page does not count. */
  readonly work: number | null;
  /** Only where the operator gave the cache a size in bytes; otherwise the page names blocks and tokens, not what one weighs. */
  readonly kvCacheBytes: number | null;
  /** Tokens that the cache holds; null where the page does not say. */
  readonly kvCacheTokens: number | null;
}

const RUNNING = '\nvllm:num_requests_running';
const WAITING = '\nvllm:num_requests_waiting';
const KV_USAGE = '\nvllm:kv_cache_usage_perc';
/** The name of the same in vLLM until late 2025 (vLLM's PR 29330). */
const KV_USAGE_OLD = '\nvllm:gpu_cache_usage_perc';
/** The third is the count of a histogram, whatever its name says. */
const WORK = ['\nvllm:generation_tokens_total', '\nvllm:prompt_tokens_total', '\nvllm:iteration_tokens_total_count'];
const FIRST_TOKEN_SUM = '\nvllm:time_to_first_token_seconds_sum';
const FIRST_TOKEN_COUNT = '\nvllm:time_to_first_token_seconds_count';
const SLEEP_STATE = '\nvllm:engine_sleep_state';
const STARTED = '\nprocess_start_time_seconds';
const CACHE_CONFIG = '\nvllm:cache_config_info';
const KV_BYTES = /[{,]kv_cache_memory_bytes="(\d+)"/;
const KV_TOKENS = /[{,]kv_cache_size_tokens="(\d+)"/;
const KV_BLOCKS = /[{,]num_gpu_blocks="(\d+)"/;
const KV_BLOCK_SIZE = /[{,]block_size="(\d+)"/;

/**
 * Reads the few samples that matter out of a Prometheus text page, which is 50 KB and read every half second: without splitting it.
 * @returns null where the page has no `vllm:num_requests_running`: it is not vLLM's, or its statistics are off.
 */
export function readMetrics(page: string): EngineFigures | null {
  const running = sum(page, RUNNING);
  if (running === null) return null;
  return {
    running,
    waiting: sum(page, WAITING) ?? 0,
    kvUsage: largest(page, KV_USAGE) ?? largest(page, KV_USAGE_OLD) ?? 0,
    work: sumOfAll(page, WORK),
    ...cacheSize(page),
  };
}

/** Whether one of its engines was put to sleep: requests wait there until it is woken. */
export function isAsleep(page: string): boolean {
  let asleep = false;
  eachSample(page, SLEEP_STATE, (labels, value) => {
    asleep ||= value === 0 && labels.includes('sleep_state="awake"');
  });
  return asleep;
}

/** Seconds since the epoch at which its process began, which tells one life of a server from the next; null where the page does not say. */
export function processStart(page: string): number | null {
  return sum(page, STARTED);
}

/** How long requests have waited for their first token since the engine started, waiting in its queue included; null where none has had one. */
export function meanFirstTokenMs(page: string): number | null {
  const count = sum(page, FIRST_TOKEN_COUNT);
  const seconds = sum(page, FIRST_TOKEN_SUM);
  return count === null || seconds === null || count <= 0 ? null : (seconds / count) * 1000;
}

/** Of each of its engines together. Newer pages name the tokens, all of them the blocks. */
function cacheSize(page: string): Pick<EngineFigures, 'kvCacheBytes' | 'kvCacheTokens'> {
  let kvCacheBytes: number | null = null;
  let kvCacheTokens: number | null = null;
  eachSample(page, CACHE_CONFIG, (labels) => {
    const bytes = labelOf(labels, KV_BYTES);
    if (bytes !== null) kvCacheBytes = (kvCacheBytes ?? 0) + bytes;
    const tokens = labelOf(labels, KV_TOKENS) ?? (labelOf(labels, KV_BLOCKS) ?? NaN) * (labelOf(labels, KV_BLOCK_SIZE) ?? NaN);
    if (tokens > 0) kvCacheTokens = (kvCacheTokens ?? 0) + tokens;
  });
  return { kvCacheBytes, kvCacheTokens };
}

function labelOf(labels: string, pattern: RegExp): number | null {
  const written = pattern.exec(labels)?.[1];
  return written === undefined ? null : Number(written);
}
