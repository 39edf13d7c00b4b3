import type { FlagValue } from './flags.ts';
import type { MemorySettings } from '../card/memory.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';

type Flags = ReadonlyMap<string, FlagValue>;

/** What the flags say of the memory. `bigCard`: vLLM chooses larger batches for cards of 70 GiB and more. */
export function memorySettings(
  flags: Flags,
  spec: SimulatedModel,
  options: { readonly bigCard: boolean; readonly graphsInBudget: boolean; readonly graphFactor: number },
): MemorySettings {
  const number = (key: string, fallback: number): number => (flags.get(key) as number | null | undefined) ?? fallback;
  const boost = flags.get('performance_mode') === 'throughput' ? 2 : 1;
  const maxModelLen = (flags.get('max_model_len') as number | 'auto' | undefined) ?? null;
  const length = typeof maxModelLen === 'number' ? maxModelLen : spec.maxContext;
  const defaultTokens = Math.max(2048 * (options.bigCard ? 4 : 1) * boost, flags.get('enable_chunked_prefill') === false ? length : 0);
  const maxNumBatchedTokens = number('max_num_batched_tokens', defaultTokens);
  const maxNumSeqs = number('max_num_seqs', Math.min((options.bigCard ? 1024 : 256) * boost, maxNumBatchedTokens));
  const graphShare = shareOfGraphs(flags);
  return {
    gpuMemoryUtilization: number('gpu_memory_utilization', 0.92),
    maxModelLen,
    maxNumSeqs,
    maxNumBatchedTokens,
    enforceEager: flags.get('enforce_eager') === true || graphShare === 0,
    captureSizes: captureSizes(flags, maxNumSeqs, maxNumBatchedTokens),
    graphShare,
    graphsInBudget: options.graphsInBudget,
    graphFactor: options.graphFactor,
    kvCacheBytesPerElement: bytesPerElement(flags.get('kv_cache_dtype') as string | undefined, spec.headDim),
    kvCacheMemoryBytes: number('kv_cache_memory_bytes', 0) || null,
    numGpuBlocksOverride: number('num_gpu_blocks_override', 0) || null,
    blockSize: number('block_size', 16),
    languageModelOnly: flags.get('language_model_only') === true,
    cpuOffloadGib: number('cpu_offload_gb', 0),
    gpuCount: number('tensor_parallel_size', 1) * number('pipeline_parallel_size', 1),
  };
}

/** Graphs of whole models and of their pieces by default; half of that where only one kind is captured; none at level 0. */
function shareOfGraphs(flags: Flags): number {
  const level = flags.get('optimization_level') ?? 2;
  const config = flags.get('compilation_config');
  const mode = typeof config === 'string' ? /cudagraph_mode"?\s*:\s*"?([A-Za-z_]+)/.exec(config)?.[1]?.toUpperCase() : undefined;
  if (mode === 'NONE' || (mode === undefined && Number(level) === 0)) return 0;
  if (mode === 'FULL_AND_PIECEWISE') return 1;
  return mode !== undefined || Number(level) === 1 ? 0.5 : 1;
}

/** Sizes that vLLM captures graphs for: 1, 2, 4, then steps of 8 up to 256 and of 16 above. */
function captureSizeCount(maxSize: number): number {
  let count = 0;
  for (const size of [1, 2, 4]) if (size <= maxSize) count++;
  for (let size = 8; size <= maxSize; size += size < 256 ? 8 : 16) count++;
  return count;
}

function captureSizes(flags: Flags, maxNumSeqs: number, maxNumBatchedTokens: number): number {
  const listed = flags.get('cudagraph_capture_sizes');
  if (Array.isArray(listed)) return listed.length;
  const largest = (flags.get('max_cudagraph_capture_size') as number | undefined) ?? Math.min(2 * maxNumSeqs, 512);
  return captureSizeCount(Math.min(largest, maxNumBatchedTokens));
}

function bytesPerElement(kvCacheDtype: string | undefined, headDim: number): number {
  const plain = /^(?:fp8|int8)/.test(kvCacheDtype ?? '') ? 1 : /^(?:int4|nvfp4|turboquant)/.test(kvCacheDtype ?? '') ? 0.5 : 2;
  // One float32 for each token and head says how its numbers are scaled.
  return kvCacheDtype?.endsWith('_per_token_head') ? plain + 4 / headDim : plain;
}
