import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { ConfigError } from './config-error.ts';
import { parseFlags, UsageError } from './flags.ts';
import type { FlagValue } from './flags.ts';
import { findGpu, gpuIds } from '../card/find-gpu.ts';
import type { SimulatedGpu } from '../card/simulated-gpu.ts';
import { numberOf, readKnobs } from './knobs.ts';
import type { Environment, Knobs } from './knobs.ts';
import { memorySettings } from './memory-settings.ts';
import type { MemorySettings } from '../card/memory.ts';
import { transcribes } from '../model/kinds.ts';
import { describeModel } from '../model/describe-model.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';

/** Everything that a simulated server was told: by flags, which are vLLM's, and by SIM_ variables, which are the simulation's. */
export interface SimSettings extends Knobs {
  readonly model: string;
  readonly servedNames: readonly string[];
  readonly host: string | null;
  readonly port: number;
  readonly uds: string | null;
  readonly apiKeys: readonly string[];
  readonly gpu: SimulatedGpu;
  readonly spec: SimulatedModel;
  readonly memory: MemorySettings;
  readonly prefixCaching: boolean;
  readonly chunkedPrefill: boolean;
  readonly watermark: number;
  readonly byPriority: boolean;
  readonly dtype: string;
  readonly kvCacheDtype: string;
  /** max_model_len may be longer than the context that the model was made for. */
  readonly allowLongContext: boolean;
  /** vLLM's second model runner is used, whose error texts differ in places. */
  readonly secondRunner: boolean;
  readonly serves: { readonly generate: boolean; readonly pooling: boolean; readonly classes: boolean; readonly speech: boolean };
  readonly autoToolChoice: boolean;
  /** A parser for tool calls is set. */
  readonly toolCallParser: boolean;
  readonly reasoningParser: string;
  readonly requestIdHeaders: boolean;
  readonly promptTokensDetails: boolean;
  readonly forceIncludeUsage: boolean;
  readonly perRequestMetrics: boolean;
  readonly serverLoadTracking: boolean;
  readonly mfuMetrics: boolean;
  readonly streamInterval: number;
  readonly maxLogprobs: number;
  readonly shutdownTimeoutS: number;
  readonly accessLog: boolean;
  readonly quietPaths: readonly string[];
  /** Seconds between the lines about throughput; 0 for none. */
  readonly statsIntervalS: number;
  readonly fingerprint: string | null;
  readonly keepAliveS: number;
  readonly devMode: boolean;
  /** `--enable-sleep-mode`: a server that sleeps gives GPU memory back. */
  readonly sleepMode: boolean;
  readonly keepAliveOnEngineDeath: boolean;
  readonly skipModelCheck: boolean;
  /** Responses can be asked for again, and made in the background. */
  readonly storesResponses: boolean;
  readonly scaleOut: boolean;
  /** Requests, and prompt tokens of requests without a token yet, from which on no other is taken; null for any number. */
  readonly maxQueued: { readonly requests: number | null; readonly tokens: number | null };
  readonly maxCompletionPrompts: number;
  /** Flags as given, for the log. */
  readonly given: ReadonlyMap<string, FlagValue>;
}

/** The version of vLLM that is simulated, marked as a simulation. */
export const VERSION = '0.32.0+sim';

/** The flags of a `--config` file. Those of the command line go before them. */
function configArguments(file: string): string[] {
  if (!/\.ya?ml$/.test(file)) throw new ConfigError(`ValueError: Config file must be of a yaml/yml type. ${file} provided`);
  // Few name such a file, and what reads it is almost half of what a start would load.
  const { parse } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  const content: unknown = parse(readFileSync(file, 'utf8'));
  if (typeof content !== 'object' || content === null) return [];
  const argv: string[] = [];
  for (const [key, value] of Object.entries(content)) {
    if (key === 'model') argv.unshift(String(value));
    else if (value === true) argv.push(`--${key}`);
    else if (value === false) argv.push(`--no-${key}`);
    else if (Array.isArray(value)) argv.push(`--${key}`, ...value.map(String));
    else argv.push(`--${key}`, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  return argv;
}

/** Reads the arguments after `serve` and the environment; `card` in place of what SIM_GPU names. Throws UsageError (exit 2) and ConfigError (exit 1). */
export function readSettings(argv: readonly string[], env: Environment, card: SimulatedGpu | null = null): SimSettings {
  const first = parseFlags(argv);
  const file = first.values.get('config');
  const fromFile = typeof file === 'string' ? parseFlags(configArguments(file)) : null;
  const values = new Map([...(fromFile?.values ?? []), ...first.values]);
  const model = first.model ?? fromFile?.model ?? (values.get('model') as string | undefined) ?? 'Qwen/Qwen3-0.6B';
  const text = (key: string): string | null => (values.get(key) as string | undefined) ?? null;
  const number = (key: string, fallback: number): number => (values.get(key) as number | null | undefined) ?? fallback;
  const optional = (key: string): number | null => (values.get(key) as number | null | undefined) ?? null;
  const flag = (key: string, fallback = false): boolean => (values.get(key) as boolean | undefined) ?? fallback;
  const list = (key: string): readonly string[] => (values.get(key) as readonly string[] | undefined) ?? [];

  const gpu = card ?? findGpu(env['SIM_GPU']);
  if (gpu === undefined) throw new ConfigError(`ValueError: SIM_GPU must be one of ${gpuIds().join(', ')}, got '${env['SIM_GPU']}'`);
  const spec = describeModel(model, text('quantization'));
  const runner = text('runner') ?? 'auto';
  const chunkedPrefill = flag('enable_chunked_prefill', true);
  const knobs = readKnobs(env);
  const memory = memorySettings(values, spec, {
    bigCard: gpu.memoryGib >= 70,
    graphsInBudget: env['VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS'] !== '0',
    graphFactor: knobs.graphFactor,
  });
  const served = list('served_model_name');
  const keys = list('api_key');
  const length = typeof memory.maxModelLen === 'number' ? memory.maxModelLen : spec.maxContext;
  checkConfig(memory, chunkedPrefill, length, { host: text('host'), port: number('port', 8000) });
  return {
    ...knobs,
    model,
    servedNames: served.length > 0 ? served : [model],
    host: text('host'),
    port: number('port', 8000),
    uds: text('uds'),
    apiKeys: keys.length > 0 ? keys : env['VLLM_API_KEY'] ? [env['VLLM_API_KEY']] : [],
    gpu,
    spec,
    memory,
    prefixCaching: flag('enable_prefix_caching', true),
    chunkedPrefill,
    watermark: number('watermark', 0),
    byPriority: text('scheduling_policy') === 'priority',
    dtype: text('dtype') ?? 'auto',
    kvCacheDtype: text('kv_cache_dtype') ?? 'auto',
    allowLongContext: env['VLLM_ALLOW_LONG_MAX_MODEL_LEN'] === '1',
    secondRunner: env['VLLM_USE_V2_MODEL_RUNNER'] === '1',
    serves: servedTasks(runner, text('convert') ?? 'auto', model),
    autoToolChoice: flag('enable_auto_tool_choice') && text('tool_call_parser') !== null,
    toolCallParser: text('tool_call_parser') !== null,
    reasoningParser: text('reasoning_parser') ?? '',
    requestIdHeaders: flag('enable_request_id_headers'),
    promptTokensDetails: flag('enable_prompt_tokens_details'),
    forceIncludeUsage: flag('enable_force_include_usage'),
    perRequestMetrics: flag('enable_per_request_metrics'),
    serverLoadTracking: flag('enable_server_load_tracking'),
    mfuMetrics: flag('enable_mfu_metrics'),
    streamInterval: number('stream_interval', 1),
    maxLogprobs: number('max_logprobs', 20),
    shutdownTimeoutS: number('shutdown_timeout', 0),
    accessLog: !flag('disable_uvicorn_access_log') && !/^(?:warning|error|critical)$/.test(text('uvicorn_log_level') ?? ''),
    quietPaths: (text('disable_access_log_for_endpoints') ?? '').split(',').filter((path) => path !== ''),
    statsIntervalS: flag('disable_log_stats') ? 0 : numberOf(env, 'VLLM_LOG_STATS_INTERVAL', 10),
    fingerprint: fingerprint(text('fingerprint_mode') ?? 'full', text('fingerprint_value'), number('tensor_parallel_size', 1)),
    keepAliveS: numberOf(env, 'VLLM_HTTP_TIMEOUT_KEEP_ALIVE', 5),
    devMode: env['VLLM_SERVER_DEV_MODE'] === '1',
    sleepMode: flag('enable_sleep_mode'),
    keepAliveOnEngineDeath: env['VLLM_KEEP_ALIVE_ON_ENGINE_DEATH'] === '1',
    storesResponses: env['VLLM_ENABLE_RESPONSES_API_STORE'] === '1',
    scaleOut: flag('enable_scale_out'),
    maxQueued: { requests: optional('max_num_queued_reqs'), tokens: optional('max_num_queued_tokens') },
    skipModelCheck: env['VLLM_SKIP_MODEL_NAME_VALIDATION'] === '1',
    maxCompletionPrompts: numberOf(env, 'VLLM_MAX_COMPLETION_PROMPTS', 1024),
    given: values,
  };
}

/** Without `--runner` the simulation serves whatever any model could; with it, what a model of that kind and name can. */
function servedTasks(runner: string, convert: string, model: string): SimSettings['serves'] {
  const open = runner === 'auto';
  return {
    generate: runner !== 'pooling',
    pooling: open || runner === 'pooling',
    classes: open || (runner === 'pooling' && convert !== 'embed'),
    speech: open || (runner === 'generate' && transcribes(model)),
  };
}

function fingerprint(mode: string, value: string | null, tensorParallel: number): string | null {
  if (mode === 'none') return null;
  if (mode === 'custom') return value;
  const hash = '51f0a7ed';
  return mode === 'hash' ? hash : `vllm-${VERSION}${tensorParallel > 1 ? `-tp${tensorParallel}` : ''}-${hash}`;
}

function checkConfig(
  memory: MemorySettings,
  chunkedPrefill: boolean,
  maxModelLen: number,
  address: { readonly host: string | null; readonly port: number },
): void {
  const invalid = (config: string, field: string, why: string, value: number): ConfigError =>
    new ConfigError(
      `pydantic_core._pydantic_core.ValidationError: 1 validation error for ${config}\n${field}\n  ${why} [type=value_error, input_value=${value}, input_type=${Number.isInteger(value) ? 'int' : 'float'}]`,
    );
  const { gpuMemoryUtilization, maxNumSeqs, maxNumBatchedTokens } = memory;
  if (gpuMemoryUtilization <= 0)
    throw invalid('CacheConfig', 'gpu_memory_utilization', 'Input should be greater than 0', gpuMemoryUtilization);
  if (gpuMemoryUtilization > 1) {
    throw invalid('CacheConfig', 'gpu_memory_utilization', 'Input should be less than or equal to 1', gpuMemoryUtilization);
  }
  if (maxNumSeqs < 1) throw invalid('SchedulerConfig', 'max_num_seqs', 'Input should be greater than or equal to 1', maxNumSeqs);
  if (maxNumBatchedTokens < 1) {
    throw invalid('SchedulerConfig', 'max_num_batched_tokens', 'Input should be greater than or equal to 1', maxNumBatchedTokens);
  }
  if (maxNumBatchedTokens < maxNumSeqs) {
    const why = `Value error, max_num_batched_tokens (${maxNumBatchedTokens}) must be greater than or equal to max_num_seqs (${maxNumSeqs}).`;
    throw new ConfigError(`pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  ${why}`);
  }
  if (!chunkedPrefill && maxNumBatchedTokens < maxModelLen) {
    const why =
      `Value error, max_num_batched_tokens (${maxNumBatchedTokens}) is smaller than max_model_len (${maxModelLen}). This effectively limits the maximum ` +
      'sequence length to max_num_batched_tokens and makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len.';
    throw new ConfigError(`pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  ${why}`);
  }
  if (address.port < 0 || address.port > 65535) throw new UsageError(`argument --port: invalid int value: '${address.port}'`);
}
