import type { SimulatedGpu } from './hardware.ts';
import type { SimulatedModel } from './models.ts';

const GIB = 2 ** 30;
/** What the CUDA context takes before vLLM looks at what is free. */
const CONTEXT_GIB = 0.35;
const NON_TORCH_GIB = 0.25;

/** The settings of `vllm serve` that decide where the memory goes. */
export interface MemorySettings {
  readonly gpuMemoryUtilization: number;
  /** null: as long as the model allows; 'auto': as long as fits. */
  readonly maxModelLen: number | 'auto' | null;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly enforceEager: boolean;
  /** Number of batch sizes that CUDA graphs are captured for. */
  readonly captureSizes: number;
  readonly kvCacheBytesPerElement: number;
  /** Replaces the fraction and what profiling finds. */
  readonly kvCacheMemoryBytes: number | null;
  readonly numGpuBlocksOverride: number | null;
  readonly blockSize: number;
  readonly languageModelOnly: boolean;
  readonly cpuOffloadGib: number;
}

/** Where the memory went, in GiB where not said otherwise. */
export interface MemoryPlan {
  readonly totalGib: number;
  readonly requestedGib: number;
  readonly weightsGib: number;
  readonly activationsGib: number;
  readonly graphsGib: number;
  readonly kvCacheGib: number;
  readonly maxModelLen: number;
  /** Blocks of `blockSize` tokens. */
  readonly numGpuBlocks: number;
  readonly kvCacheTokens: number;
}

/** Why a start fails for want of memory. `message` is vLLM's own. */
export interface MemoryFailure {
  readonly kind: 'busy-vram' | 'oom-weights' | 'oom-profile' | 'oom-kv' | 'kv-too-small';
  readonly message: string;
}

/** Bytes of keys and values that one request of `tokens` tokens needs, windows considered. */
function kvBytesPerRequest(model: SimulatedModel, settings: MemorySettings, tokens: number): number {
  const perLayerToken = 2 * model.kvHeads * model.headDim * settings.kvCacheBytesPerElement;
  const { blockSize } = settings;
  const fullBlocks = Math.ceil(tokens / blockSize);
  if (model.sliding === null) return fullBlocks * blockSize * perLayerToken * model.layers;
  const fullLayers = model.layers - model.sliding.layers;
  // Two batches are in flight at once, so the window's blocks cannot be freed before both are done.
  const inWindow = Math.min(model.sliding.window - 1 + 2 * settings.maxNumBatchedTokens, tokens);
  const windowBlocks = Math.ceil(inWindow / blockSize) + 1;
  return blockSize * perLayerToken * (fullBlocks * fullLayers + windowBlocks * model.sliding.layers);
}

/** The longest request that `bytes` of KV cache hold, in tokens. */
function longestFit(model: SimulatedModel, settings: MemorySettings, bytes: number): number {
  let low = 0;
  let high = model.maxContext;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (kvBytesPerRequest(model, settings, middle) <= bytes) low = middle;
    else high = middle - 1;
  }
  return low;
}

function outOfMemory(gpu: SimulatedGpu, wantedGib: number, freeGib: number): string {
  return (
    `torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ${wantedGib.toFixed(2)} GiB. GPU 0 has a total capacity of ${gpu.memoryGib.toFixed(2)} GiB ` +
    `of which ${Math.max(0, freeGib).toFixed(2)} GiB is free. Process ${process.pid} has ${(gpu.memoryGib - Math.max(0, freeGib)).toFixed(2)} GiB memory in use.`
  );
}

/**
 * vLLM's own budget: a share of the card, less weights, activations and graphs, is the KV cache.
 * `takenGib` is what other processes hold on the card.
 */
export function planMemory(gpu: SimulatedGpu, model: SimulatedModel, settings: MemorySettings, takenGib = 0): MemoryPlan | MemoryFailure {
  const totalGib = gpu.memoryGib;
  const freeGib = totalGib - CONTEXT_GIB - takenGib;
  const requestedGib = totalGib * settings.gpuMemoryUtilization;
  const weightsGib = Math.max(0.05, model.weightsGib - settings.cpuOffloadGib);
  const vocabularyBytes = settings.maxNumSeqs * model.vocabulary * 22;
  const layerBytes = settings.maxNumBatchedTokens * (3 * model.intermediate + 6 * model.hidden) * 2;
  const activationsGib = (layerBytes + vocabularyBytes) / GIB + (settings.languageModelOnly ? 0 : model.visionGib);
  const graphsGib = settings.enforceEager ? 0 : 0.1 + (0.01 * settings.captureSizes * model.layers) / 32;
  if (settings.kvCacheMemoryBytes === null && freeGib < requestedGib) {
    const message =
      `Free memory on device cuda:0 (${Math.max(0, freeGib).toFixed(2)}/${totalGib.toFixed(2)} GiB) on startup is less than desired GPU memory utilization ` +
      `(${settings.gpuMemoryUtilization}, ${requestedGib.toFixed(2)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`;
    return { kind: 'busy-vram', message };
  }
  if (weightsGib > freeGib)
    return { kind: 'oom-weights', message: outOfMemory(gpu, weightsGib / model.layers, freeGib % (weightsGib / model.layers)) };
  if (weightsGib + NON_TORCH_GIB + activationsGib > freeGib) {
    return { kind: 'oom-profile', message: outOfMemory(gpu, activationsGib / 2, freeGib - weightsGib) };
  }
  const kvCacheGib =
    settings.kvCacheMemoryBytes === null
      ? requestedGib - weightsGib - NON_TORCH_GIB - activationsGib - graphsGib
      : settings.kvCacheMemoryBytes / GIB;
  if (kvCacheGib <= 0) {
    const message =
      'No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine. ' +
      'See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.';
    return { kind: 'oom-kv', message };
  }
  return fitLength(model, settings, { totalGib, requestedGib, weightsGib, activationsGib, graphsGib, kvCacheGib });
}

function fitLength(
  model: SimulatedModel,
  settings: MemorySettings,
  spent: Omit<MemoryPlan, 'maxModelLen' | 'numGpuBlocks' | 'kvCacheTokens'>,
): MemoryPlan | MemoryFailure {
  const bytes = spent.kvCacheGib * GIB;
  const longest = longestFit(model, settings, bytes);
  const wanted = settings.maxModelLen === null || settings.maxModelLen === 'auto' ? model.maxContext : settings.maxModelLen;
  const maxModelLen = settings.maxModelLen === 'auto' ? Math.min(wanted, longest) : wanted;
  if (maxModelLen <= 0)
    return { kind: 'oom-kv', message: 'Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token.' };
  const needed = kvBytesPerRequest(model, settings, maxModelLen);
  if (needed > bytes) {
    const message =
      `To serve at least one request with the model's max seq len (${maxModelLen}), (${(needed / GIB).toFixed(2)} GiB KV cache is needed, which is larger than ` +
      `the available KV cache memory (${spent.kvCacheGib.toFixed(2)} GiB). Based on the available memory, the estimated maximum model length is ${longest}. ` +
      'Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. ' +
      'See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.';
    return { kind: 'kv-too-small', message };
  }
  const perRequest = Math.ceil(maxModelLen / settings.blockSize);
  const numGpuBlocks = settings.numGpuBlocksOverride ?? Math.floor((bytes / needed) * perRequest);
  return { ...spent, maxModelLen, numGpuBlocks, kvCacheTokens: numGpuBlocks * settings.blockSize };
}

export function isMemoryFailure(result: MemoryPlan | MemoryFailure): result is MemoryFailure {
  return 'kind' in result;
}
