/** Words by which the supervisor knows what a vLLM says, as they stand in its source; `in`: where 0.32 has them. */
export interface Words {
  readonly words: string;
  /** Below vLLM's package. */
  readonly in: string;
  readonly note?: string;
}

const KV = 'v1/core/kv_cache_utils.py';
const GPU_RUNNER = 'v1/worker/gpu_model_runner.py';
const EXECUTOR = 'v1/executor/multiproc_executor.py';
const LAUNCHER = 'entrypoints/launchers/launcher.py';

/** What fails, and how far a start has come. One line for each of the supervisor's patterns that are vLLM's own words. */
export const WORDS: readonly Words[] = [
  { words: 'No available memory for the cache blocks', in: KV, note: '0.33 has it in v1/core/kv_cache_planning.py' },
  { words: 'Cannot auto-fit max_model_len', in: KV, note: '0.33 has it in v1/core/kv_cache_planning.py' },
  { words: 'serve at least one request with the model', in: KV, note: '0.33 has it in v1/core/kv_cache_planning.py' },
  { words: 'estimated maximum model length is', in: KV, note: 'left out where next to nothing is left' },
  { words: 'KV cache size: %s tokens', in: KV, note: 'GPU or CPU stands before it' },
  { words: 'less than desired GPU memory utilization', in: 'v1/worker/utils.py' },
  { words: 'Error in memory profiling. Initial free memory', in: 'v1/worker/gpu_worker.py' },
  { words: 'Available KV cache memory:', in: 'v1/worker/gpu_worker.py' },
  {
    words: 'CUDA out of memory occurred when warming up sampler',
    in: GPU_RUNNER,
    note: 'not of the newer model runner, the default on GPUs',
  },
  { words: 'Failed to load model - not enough GPU memory', in: GPU_RUNNER, note: 'not of the newer model runner, the default on GPUs' },
  { words: 'Profiling CUDA graph memory', in: GPU_RUNNER, note: 'not of the newer model runner, the default on GPUs' },
  { words: 'Capturing CUDA graphs', in: GPU_RUNNER },
  { words: 'Model loading took ', in: 'v1/worker/gpu/model_runner.py' },
  { words: 'Graph capturing finished in', in: 'v1/worker/gpu/model_runner.py' },
  { words: 'Loading model from scratch', in: 'v1/worker/gpu/model_runner.py' },
  { words: 'Starting to load model', in: 'v1/worker/cpu_model_runner.py' },
  { words: 'init engine (profile, create kv cache, warmup model) took', in: 'v1/engine/core.py' },
  { words: '% Completed |', in: 'model_executor/model_loader/weight_utils.py' },
  { words: 'Explicitly set (', in: 'v1/worker/cpu_worker.py' },
  { words: 'on kv cache allocation is less than requested memory for kv', in: 'v1/worker/cpu_worker.py' },
  { words: 'Engine core initialization failed', in: 'v1/engine/utils.py' },
  { words: 'Failed core proc(s)', in: 'v1/engine/utils.py' },
  { words: 'EngineCore failed to start', in: 'v1/engine/core.py' },
  { words: 'WorkerProc initialization failed', in: EXECUTOR },
  { words: 'WorkerProc hit an exception', in: EXECUTOR },
  { words: 'died unexpectedly', in: EXECUTOR },
  { words: 'RPC call to ', in: EXECUTOR },
  { words: 'Executor failed.', in: 'v1/engine/core.py' },
  { words: 'EngineCore encountered a fatal error', in: 'v1/engine/core.py' },
  { words: 'EngineCore encountered an issue', in: 'v1/engine/exceptions.py' },
  { words: 'engine core exited unexpectedly', in: 'v1/engine/core_client.py' },
  { words: 'Timed out waiting for engine core processes to start', in: 'v1/engine/core_client.py' },
  { words: '[shutdown] API server: shutdown triggered', in: LAUNCHER },
  { words: '[shutdown] EngineCore: trigger received signal=', in: 'v1/engine/core.py' },
  { words: '[shutdown] Process manager: send sigterm', in: 'v1/utils.py' },
  { words: 'KeyboardInterrupt("terminated")', in: 'entrypoints/launchers/api_server/entry.py' },
  { words: 'is greater than the derived max_model_len', in: 'config/model.py' },
  { words: 'does not support float16. Reason', in: 'config/model.py' },
  { words: 'Sleep mode is not supported on current platform', in: 'config/model.py' },
  { words: 'Quantization method specified in the model config', in: 'config/model.py' },
  { words: 'Unknown quantization method', in: 'config/model.py' },
  { words: 'Cannot find the config file for', in: 'model_executor/model_loader/weight_utils.py' },
  { words: 'Cannot find any model weights with', in: 'model_executor/model_loader/default_loader.py' },
  { words: 'Failed to load the tokenizer', in: 'tokenizers/hf.py' },
  { words: 'requires you to execute the', in: 'transformers_utils/config.py' },
  { words: 'trust_remote_code=True', in: 'transformers_utils/config.py' },
  { words: 'Model architectures ', in: 'model_executor/models/registry.py' },
  { words: 'World size (', in: 'config/parallel.py' },
  { words: 'is larger than the number of available GPUs', in: 'config/parallel.py' },
  { words: 'Failed to infer device type', in: 'config/device.py' },
  { words: 'Bfloat16 is only supported on GPUs with compute capability', in: 'platforms/cuda.py' },
  { words: 'No valid attention backend found', in: 'platforms/cuda.py' },
  { words: 'is not valid for this configuration. Reason', in: 'platforms/cuda.py' },
  { words: 'Minimum capability: ', in: 'config/vllm.py' },
  { words: 'is not supported for quantization method', in: 'config/vllm.py' },
  { words: 'Cannot use FA version', in: 'v1/attention/backends/fa_utils.py' },
  { words: 'FP8 KV cache is not supported', in: 'v1/attention/backends/triton_attn.py' },
  { words: 'invalid tool call parser', in: LAUNCHER },
  { words: 'invalid reasoning parser', in: LAUNCHER },
  { words: '--enable-auto-tool-choice requires --tool-call-parser', in: 'entrypoints/launchers/cli_args.py' },
  { words: "Invalid value '", in: 'envs.py' },
  { words: 'Avg prompt throughput', in: 'v1/metrics/loggers.py' },
  { words: '"VLLM_PROCESS_NAME_PREFIX", "VLLM"', in: 'envs.py', note: 'the titles of its processes begin with it' },
];

/** Patterns of which nothing is vLLM's own: whose words they are. */
export const OTHERS: Readonly<Record<string, RegExp>> = {
  'PyTorch and CUDA':
    /CUDA out of memory|OutOfMemoryError|CUDA [Ee]rror|CUBLAS|NCCL|Gloo|illegal memory access|no kernel image|Torch not compiled|DefaultCPUAllocator|No CUDA GPUs|driver/,
  'the kernel and the driver': /Xid|fallen off the bus|Killed process|cumem_allocator|out of resource: shared memory|BatchPrefill/,
  'the hub and transformers':
    /HFValidationError|OfflineMode|gated|401 Client|is not a valid JSON|does not recognize this architecture|LocalEntryNotFound|valid model identifier|HarmonyError/,
  Python: /ModuleNotFoundError|Errno 98|No space left|serve: error|validation errors|Unknown level|invalid literal|C compiler/,
};
