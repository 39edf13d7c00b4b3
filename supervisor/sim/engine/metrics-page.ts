import type { Histogram } from '../figures/histogram.ts';
import { FINISHED_REASONS } from './metrics.ts';
import { type Labels, PrometheusPage } from '../figures/prometheus-page.ts';
import type { Sim } from './sim.ts';

/** The page that `GET /metrics` answers with. */
export function renderMetrics(sim: Sim): string {
  const page = new PrometheusPage({ engine: '0', model_name: sim.settings.servedNames[0]! }, sim.startedAtS);
  writeProcess(page, sim);
  writeCounters(page, sim);
  page.append(writeRefused(sim));
  writeHistograms(page, sim);
  page.family('vllm:cache_config_info', 'gauge', 'Information of the LLMEngine CacheConfig');
  page.sample('vllm:cache_config_info', cacheConfig(sim), 1);
  page.append(sim.http.render(sim.startedAtS));
  return page.toString();
}

function writeProcess(page: PrometheusPage, sim: Sim): void {
  const generations = ['0', '1', '2'];
  const perGeneration = (name: string, help: string): void => {
    page.family(name, 'counter', help);
    for (const generation of generations) page.sample(name, { generation }, 0);
  };
  perGeneration('python_gc_objects_collected_total', 'Objects collected during gc');
  perGeneration('python_gc_objects_uncollectable_total', 'Uncollectable objects found during GC');
  perGeneration('python_gc_collections_total', 'Number of times this generation was collected');
  const one = (name: string, type: string, help: string, value: number, labels: Labels = {}): void => {
    page.family(name, type, help);
    page.sample(name, labels, value);
  };
  const version = { implementation: 'CPython', major: '3', minor: '12', patchlevel: '0', version: '3.12.0' };
  one('python_info', 'gauge', 'Python platform information', 1, version);
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  one('process_virtual_memory_bytes', 'gauge', 'Virtual memory size in bytes.', memory.rss + memory.external);
  one('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', memory.rss);
  one('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch in seconds.', sim.startedAtS);
  one('process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.', (cpu.user + cpu.system) / 1e6);
  one('process_open_fds', 'gauge', 'Number of open file descriptors.', process.getActiveResourcesInfo().length);
  one('process_max_fds', 'gauge', 'Maximum number of open file descriptors.', 20000);
}

function writeCounters(page: PrometheusPage, sim: Sim): void {
  const { engine } = sim;
  const { metrics, scheduler, gauges } = engine;
  const counter = (name: string, help: string, value: number): void => page.counter(`vllm:${name}`, help, [[{}, value]]);
  const estimates = '(for Model Flops Utilization calculations).';
  counter('estimated_flops_per_gpu', `Estimated number of floating point operations per GPU ${estimates}`, metrics.estimatedFlops);
  counter('estimated_read_bytes_per_gpu', `Estimated number of bytes read from memory per GPU ${estimates}`, metrics.estimatedReadBytes);
  counter('estimated_write_bytes_per_gpu', `Estimated number of bytes written to memory per GPU ${estimates}`, metrics.estimatedWriteBytes);
  page.gauge('vllm:num_requests_running', 'Number of requests in model execution batches.', [[{}, gauges.running]]);
  page.gauge('vllm:num_requests_waiting', 'Number of requests waiting to be processed.', [[{}, gauges.waiting]]);
  page.gauge(
    'vllm:num_requests_waiting_by_reason',
    "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting.",
    [
      [{ reason: 'capacity' }, gauges.waiting],
      [{ reason: 'deferred' }, 0],
    ],
  );
  page.gauge(
    'vllm:engine_sleep_state',
    'Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.',
    (['awake', 'weights_offloaded', 'discard_all'] as const).map(
      (state, level) => [{ sleep_state: state }, Number(engine.sleepLevel === level)] as const,
    ),
  );
  page.gauge('vllm:kv_cache_usage_perc', 'KV-cache usage. 1 means 100 percent usage.', [[{}, gauges.kvUsage]]);
  counter('prefix_cache_queries', 'Prefix cache queries, in terms of number of queried tokens.', scheduler.prefixQueries);
  counter('prefix_cache_hits', 'Prefix cache hits, in terms of number of cached tokens.', scheduler.prefixHits);
  const external = 'from KV connector cross-instance cache sharing, in terms of number of';
  counter('external_prefix_cache_queries', `External prefix cache queries ${external} queried tokens.`, 0);
  counter('external_prefix_cache_hits', `External prefix cache hits ${external} cached tokens.`, 0);
  counter('mm_cache_queries', 'Multi-modal cache queries, in terms of number of queried items.', 0);
  counter('mm_cache_hits', 'Multi-modal cache hits, in terms of number of cached items.', 0);
  counter('num_preemptions', 'Cumulative number of preemption from the engine.', scheduler.preemptions);
  counter('prompt_tokens', 'Number of prefill tokens processed.', metrics.promptTokens);
  page.counter('vllm:prompt_tokens_by_source', 'Number of prompt tokens by source.', [
    [{ source: 'local_compute' }, metrics.promptTokens - metrics.cachedPromptTokens],
    [{ source: 'local_cache_hit' }, metrics.cachedPromptTokens],
    [{ source: 'external_kv_transfer' }, 0],
  ]);
  counter('prompt_tokens_cached', 'Number of cached prompt tokens (local + external).', metrics.cachedPromptTokens);
  page.counter(
    'vllm:prompt_tokens_cached_by_source',
    'Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. Counted at admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.',
    ['device', 'host', 'p2p', 'disk', 'external_unspecified'].map(
      (source) => [{ source }, source === 'device' ? metrics.cachedPromptTokens : 0] as const,
    ),
  );
  counter('generation_tokens', 'Number of generation tokens processed.', metrics.generationTokens);
  page.counter(
    'vllm:request_success',
    'Count of successfully processed requests.',
    FINISHED_REASONS.map((reason) => [{ finished_reason: reason }, metrics.finished[reason]] as const),
  );
}

/** Of the front end, so that they name no engine. */
function writeRefused(sim: Sim): string {
  const page = new PrometheusPage({ model_name: sim.settings.servedNames[0]! }, sim.startedAtS);
  const { refused } = sim.engine.metrics;
  page.counter(
    'vllm:admission_rejections',
    'Number of admission attempts rejected by a queue limit, by reason.',
    Object.entries(refused).map(([reason, count]) => [{ reason }, count] as const),
  );
  return page.toString();
}

function writeHistograms(page: PrometheusPage, sim: Sim): void {
  const { metrics } = sim.engine;
  const phase = (name: string): string => `Histogram of time spent in ${name} phase for request.`;
  const all: readonly (readonly [string, string, Histogram])[] = [
    ['request_prompt_tokens', 'Number of prefill tokens processed.', metrics.requestPromptTokens],
    ['request_generation_tokens', 'Number of generation tokens processed.', metrics.requestGenerationTokens],
    ['iteration_tokens_total', 'Histogram of number of tokens per engine_step.', metrics.iterationTokens],
    [
      'request_max_num_generation_tokens',
      'Histogram of maximum number of requested generation tokens.',
      metrics.requestMaxGenerationTokens,
    ],
    ['request_params_n', 'Histogram of the n request parameter.', metrics.requestN],
    ['request_params_max_tokens', 'Histogram of the max_tokens request parameter.', metrics.requestMaxTokensParam],
    ['time_to_first_token_seconds', 'Histogram of time to first token in seconds.', metrics.timeToFirstToken],
    ['inter_token_latency_seconds', 'Histogram of inter-token latency in seconds.', metrics.interTokenLatency],
    ['request_time_per_output_token_seconds', 'Histogram of time_per_output_token_seconds per request.', metrics.timePerOutputToken],
    ['e2e_request_latency_seconds', 'Histogram of e2e request latency in seconds.', metrics.endToEnd],
    ['request_queue_time_seconds', phase('WAITING'), metrics.queueTime],
    ['request_inference_time_seconds', phase('RUNNING'), metrics.inferenceTime],
    ['request_prefill_time_seconds', phase('PREFILL'), metrics.prefillTime],
    ['request_decode_time_seconds', phase('DECODE'), metrics.decodeTime],
    ['request_num_preemptions', 'Histogram of the number of times a request was preempted.', metrics.requestPreemptions],
    [
      'request_prefill_kv_computed_tokens',
      'Histogram of new KV tokens computed during prefill (excluding cached tokens).',
      metrics.requestPrefillComputed,
    ],
  ];
  for (const [name, help, histogram] of all) page.histogram(`vllm:${name}`, help, histogram);
}

function cacheConfig(sim: Sim): Labels {
  const { settings, engine, maxModelLen } = sim;
  const { numBlocks, blockSize } = engine.settings;
  const flag = (key: string): string | null => (settings.given.has(key) ? String(settings.given.get(key)) : null);
  return {
    _block_size_resolved: 'True',
    block_size: String(blockSize),
    cache_dtype: flag('kv_cache_dtype') ?? 'auto',
    cache_hit_alignment_tokens: 'None',
    effective_attention_block_size: String(blockSize),
    enable_mamba_shared_prefix_checkpoint: 'False',
    enable_prefix_caching: settings.prefixCaching ? 'True' : 'False',
    engine: '0',
    hash_block_size: 'None',
    gpu_memory_utilization: String(settings.memory.gpuMemoryUtilization),
    is_attention_free: 'False',
    kv_cache_dtype_skip_layers: '[]',
    kv_cache_layout: 'None',
    kv_cache_max_concurrency: ((numBlocks * blockSize) / maxModelLen).toFixed(2),
    kv_cache_memory_bytes: String(settings.memory.kvCacheMemoryBytes ?? 'None'),
    kv_cache_size_tokens: String(numBlocks * blockSize),
    kv_offloading_backend: 'native',
    kv_offloading_size: 'None',
    kv_sharing_fast_prefill: 'False',
    mamba_block_size: 'None',
    mamba_cache_dtype: 'auto',
    mamba_cache_mode: 'none',
    mamba_page_size_padded: 'None',
    mamba_ssm_cache_dtype: 'float32',
    num_cpu_blocks: 'None',
    num_gpu_blocks: String(numBlocks),
    num_gpu_blocks_override: flag('num_gpu_blocks_override') ?? 'None',
    prefix_cache_retention_interval: '0',
    prefix_caching_hash_algo: flag('prefix_caching_hash_algo') ?? 'sha256',
    prefix_match_unit: 'None',
    replayssm_buffer_len: '16',
    skip_page_size_padded: 'None',
    sliding_window: sim.settings.spec.sliding === null ? 'None' : String(sim.settings.spec.sliding.window),
    swa_bounded_replay: 'True',
    use_kda_recoverssm: 'False',
    use_replayssm: 'False',
    user_specified_block_size: flag('block_size') === null ? 'False' : 'True',
  };
}
