import { pythonFloat } from '../python/values.ts';

/** What fails for want of memory, in the order in which a start comes across it. */
type MemoryFailureKind =
  | 'no-gpu'
  | 'busy-vram'
  | 'oom-weights'
  | 'oom-profile'
  | 'oom-sampler'
  | 'profiling-disturbed'
  | 'oom-kv'
  | 'kv-too-small'
  | 'oom-kv-allocation'
  | 'oom-graph';

/** Why a start fails. `message` is the last line of vLLM's traceback. */
export interface MemoryFailure {
  readonly kind: MemoryFailureKind;
  readonly message: string;
  /** What the KV cache was to get, where the start had come that far. May be below zero. */
  readonly kvCacheGib?: number;
}

/** What an allocation that failed found. */
export interface CardState {
  readonly totalGib: number;
  readonly freeGib: number;
  /** What the process that asked holds. */
  readonly ownGib: number;
  /** What others hold. */
  readonly others: readonly { readonly pid: number | null; readonly gib: number }[];
}

const CONSERVING = 'See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more';

/** GiB as vLLM writes them: rounded to two places, the way Python prints floats. */
function gib(value: number): string {
  return pythonFloat(Math.round(value * 100) / 100);
}

function size(valueGib: number): string {
  return valueGib >= 1 ? `${valueGib.toFixed(2)} GiB` : `${(valueGib * 1024).toFixed(2)} MiB`;
}

/** A failed allocation of `wantedGib` in PyTorch's words. */
export function cudaOutOfMemory(wantedGib: number, card: CardState): string {
  const others = card.others
    .filter((other) => other.pid !== null && other.pid > 0)
    .map((other) => `Process ${other.pid} has ${size(other.gib)} memory in use. `);
  return (
    `torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ${size(wantedGib)}. GPU 0 has a total capacity of ${size(card.totalGib)} of which ` +
    `${size(Math.max(0, card.freeGib))} is free. ${others.join('')}Including non-PyTorch memory, this process has ${size(card.ownGib)} memory in use. ` +
    `Of the allocated memory ${size(Math.max(0, card.ownGib - 0.6))} is allocated by PyTorch, and 58.21 MiB is reserved by PyTorch but unallocated. ` +
    'If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  ' +
    'See documentation for Memory Management  (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)'
  );
}

export function noGpu(): MemoryFailure {
  return { kind: 'no-gpu', message: 'RuntimeError: No CUDA GPUs are available' };
}

export function busy(freeGib: number, totalGib: number, utilization: number): MemoryFailure {
  const message =
    `ValueError: Free memory on device cuda:0 (${gib(Math.max(0, freeGib))}/${gib(totalGib)} GiB) on startup is less than desired GPU memory utilization ` +
    `(${utilization}, ${gib(totalGib * utilization)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`;
  return { kind: 'busy-vram', message };
}

export function samplerOutOfMemory(maxNumSeqs: number): MemoryFailure {
  const message =
    `RuntimeError: CUDA out of memory occurred when warming up sampler with ${maxNumSeqs} dummy requests. ` +
    'Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.';
  return { kind: 'oom-sampler', message };
}

export function profilingDisturbed(freeBeforeGib: number, freeNowGib: number): MemoryFailure {
  const message =
    `AssertionError: Error in memory profiling. Initial free memory ${gib(freeBeforeGib)} GiB, current free memory ${gib(freeNowGib)} GiB. ` +
    'This happens when other processes sharing the same container release GPU memory while vLLM is profiling during initialization. ' +
    'To fix this, ensure consistent GPU memory allocation or isolate vLLM in its own container.';
  return { kind: 'profiling-disturbed', message };
}

export function noKvRoom(kvCacheGib: number): MemoryFailure {
  const message =
    'ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine. ' +
    `${CONSERVING} details.`;
  return { kind: 'oom-kv', message, kvCacheGib };
}

export function cannotAutoFit(kvCacheGib: number): MemoryFailure {
  const message =
    'ValueError: Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token. Try increasing `gpu_memory_utilization`.';
  return { kind: 'oom-kv', message, kvCacheGib };
}

export function kvTooSmall(maxModelLen: number, neededGib: number, kvCacheGib: number, longest: number): MemoryFailure {
  const estimate = longest > 0 ? `Based on the available memory, the estimated maximum model length is ${longest}. ` : '';
  const message =
    `ValueError: To serve at least one request with the model's max seq len (${maxModelLen}), (${gib(neededGib)} GiB KV cache is needed, which is larger than ` +
    `the available KV cache memory (${gib(kvCacheGib)} GiB). ${estimate}` +
    'Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. ' +
    `${CONSERVING} details.`;
  return { kind: 'kv-too-small', message, kvCacheGib };
}

/** What vLLM's first runner says before the error of a load. */
export const LOAD_HINT =
  'Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization to free memory for weights, ' +
  `increasing --tensor-parallel-size, or using --quantization. ${CONSERVING} tips.`;
