import type { Evidence, FailureRow } from './row.ts';

/** PyTorch's words, the driver's (outside PyTorch's allocator: graphs, contexts, sleep mode), and cuBLAS's when it gets no workspace. */
const CUDA_OOM = /CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA [Ee]rror: out of memory|CUBLAS_STATUS_ALLOC_FAILED/;

function figure(text: string | undefined): number {
  return Number.parseFloat((text ?? '').replaceAll(',', ''));
}

/** A record of those that are numbers. */
function figures(all: Evidence): Evidence {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)));
}

/** Want of memory, on the card and beside it. The patterns are vLLM's, PyTorch's and the kernel's own words. */
export const MEMORY_ROWS = [
  {
    class: 'busy-vram',
    pattern: /Free memory on device .*?\(([\d.]+)\/([\d.]+) GiB\).*less than desired GPU memory utilization \(([\d.]+), ([\d.]+) GiB\)/,
    rank: 'decisive',
    during: 'start',
    retry: 'wait',
    message: (match) =>
      `The GPU had ${match[1]} of ${match[2]} GiB free and ${match[4]} GiB were wanted (gpu_memory_utilization ${match[3]}): CUDA itself and whatever else runs there hold the rest.`,
    advice: 'nvidia-smi lists who holds the memory. End it, or lower gpu_memory_utilization.',
    evidence: (match) => figures({ freeGib: figure(match[1]), totalGib: figure(match[2]), wantedGib: figure(match[4]) }),
  },
  {
    class: 'busy-vram',
    pattern: /Error in memory profiling\. Initial free memory/,
    rank: 'decisive',
    during: 'start',
    retry: 'wait',
    message: () => 'Another process changed its share of the GPU’s memory while vLLM was measuring it.',
    advice: 'Start one engine at a time on a GPU, and keep other programs off it meanwhile.',
  },
  {
    class: 'kv-too-small',
    pattern:
      /serve at least one request with the model's max seq len \(([\d,]+)\)(?:.*?\(([\d.]+) GiB KV cache is needed)?(?:.*?available KV cache memory \(([\d.]+) GiB\))?.*estimated maximum model length is ([\d,]+)/,
    rank: 'decisive',
    during: 'start',
    retry: 'relax',
    message: (match) =>
      `A context of ${match[1]} tokens does not fit into the GPU’s memory; ${match[4]} would.` +
      (match[2] && match[3] ? ` The KV cache has ${match[3]} GiB and ${match[2]} GiB are needed.` : ''),
    advice: 'Set max_model_len to at most the figure named here.',
    evidence: (match) =>
      figures({
        askedModelLen: figure(match[1]),
        kvNeededGib: figure(match[2]),
        kvAvailableGib: figure(match[3]),
        fittingModelLen: figure(match[4]),
      }),
  },
  {
    // Where next to nothing is left, no length is named.
    class: 'kv-too-small',
    pattern:
      /serve at least one request with the model's max seq len \(([\d,]+)\)(?:.*?\(([\d.]+) GiB KV cache is needed)?(?:.*?available KV cache memory \(([\d.]+) GiB\))?/,
    rank: 'decisive',
    during: 'start',
    retry: 'relax',
    message: (match) =>
      `A context of ${match[1]} tokens does not fit into the GPU’s memory.` +
      (match[2] && match[3] ? ` The KV cache has ${match[3]} GiB and ${match[2]} GiB are needed.` : ''),
    advice: 'Lower max_model_len and max_num_batched_tokens.',
    evidence: (match) => figures({ askedModelLen: figure(match[1]), kvNeededGib: figure(match[2]), kvAvailableGib: figure(match[3]) }),
  },
  {
    class: 'oom-kv-zero',
    pattern: /No available memory for the cache blocks|Cannot auto-fit max_model_len/,
    rank: 'decisive',
    during: 'start',
    retry: 'relax',
    message: () => 'The model leaves no room on the GPU for its working memory (the KV cache).',
    advice: 'Use a 4-bit version of the model, or lower max_num_batched_tokens and max_num_seqs.',
  },
  {
    class: 'oom-kv-zero',
    pattern: /Available KV cache memory: (-[\d.]+) GiB/,
    rank: 'telling',
    anyLevel: true,
    during: 'start',
    retry: 'relax',
    message: (match) => `The model leaves no room on the GPU for its working memory (the KV cache): ${match[1]?.slice(1)} GiB are missing.`,
    advice: 'Use a 4-bit version of the model, or lower max_num_batched_tokens and max_num_seqs.',
    evidence: (match) => figures({ kvAvailableGib: figure(match[1]) }),
  },
  {
    class: 'oom-sampler',
    pattern: /CUDA out of memory occurred when warming up sampler with (\d+) dummy requests/,
    rank: 'decisive',
    during: 'start',
    retry: 'relax',
    message: (match) => `Too many parallel sequences for this card: the GPU ran out of memory trying ${match[1]} at once.`,
    advice: 'Lower max_num_seqs.',
    evidence: (match) => figures({ sequences: figure(match[1]) }),
  },
  {
    class: 'oom-weights',
    pattern: /Failed to load model - not enough GPU memory/,
    rank: 'decisive',
    during: 'start',
    retry: 'relax',
    message: () => 'The model’s weights do not fit into the GPU’s memory.',
    advice: 'Use a quantized version or a smaller model; other settings do not help.',
  },
  {
    class: 'oom-wake',
    pattern: /cumem_allocator.*out of memory|CUDA Error: out of memory.*cumem_allocator/i,
    rank: 'decisive',
    // The same allocator loads the weights of a model that may sleep later.
    during: 'serving',
    retry: 'backoff',
    message: () => 'The GPU had no room for the model to wake up into.',
    advice: 'Put the other model on this GPU to sleep, or unload it, first.',
  },
  {
    class: 'oom-weights',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['launch', 'load'],
    retry: 'relax',
    message: () => 'The GPU ran out of memory while the weights were loaded.',
    advice: 'Use a quantized version or a smaller model; other settings do not help.',
  },
  {
    // The newer model runner says nothing of its own where the older one named the sampler, or the graphs that it tries out.
    class: 'oom-sampler',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['profile'],
    within: /sampler/,
    retry: 'relax',
    message: () => 'The GPU ran out of memory where vLLM tries out the sampler: too many parallel sequences for this card.',
    advice: 'Lower max_num_seqs.',
  },
  {
    class: 'oom-graph',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['profile', 'kv'],
    within: /cudagraph|capture/,
    retry: 'relax',
    message: () => 'The GPU ran out of memory while CUDA graphs were tried out.',
    advice: 'Lower max_cudagraph_capture_size, or set enforce_eager: true.',
  },
  {
    class: 'oom-profile',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['profile'],
    retry: 'relax',
    message: () => 'The GPU ran out of memory in vLLM’s trial run.',
    advice: 'Lower max_num_batched_tokens, then max_num_seqs.',
  },
  {
    class: 'oom-graph',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['graphs'],
    retry: 'relax',
    message: () => 'The GPU ran out of memory while CUDA graphs were captured.',
    advice: 'Lower max_cudagraph_capture_size, or set enforce_eager: true.',
  },
  {
    // Between its own measuring and serving vLLM takes nothing that it has not reckoned with: the reckoning was too tight.
    class: 'oom-runtime',
    pattern: CUDA_OOM,
    rank: 'telling',
    phases: ['kv', 'warmup', 'serving'],
    retry: 'relax',
    message: () => 'The GPU ran out of memory for what vLLM does not reckon with beforehand.',
    advice:
      'Lower gpu_memory_utilization a little: it leaves more room outside the KV cache. Requests for prompt_logprobs are a frequent cause.',
  },
  {
    class: 'config',
    pattern:
      /Available memory on node \d+ \(([\d.]+)\/([\d.]+) GiB\) on kv cache allocation is less than requested memory for kv \(([\d.]+) GiB\)/,
    rank: 'decisive',
    during: 'start',
    retry: 'backoff',
    // What others hold may be given back.
    retryBy: (match) => (figure(match[3]) >= figure(match[2]) ? 'never' : 'backoff'),
    message: (match) => `A KV cache of ${match[3]} GiB is asked for, and of the machine’s ${match[2]} GiB ${match[1]} are free.`,
    advice: 'Lower VLLM_CPU_KVCACHE_SPACE, or kv_cache_memory_bytes under models[].engine, or free memory.',
    evidence: (match) => figures({ kvNeededGib: figure(match[3]), freeGib: figure(match[1]), totalGib: figure(match[2]) }),
  },
  {
    // Its kills are counted by the kernel, see by-exit.ts; this is an engine that was refused what it asked for.
    class: 'oom-host',
    pattern: /DefaultCPUAllocator: can't allocate memory|Out of memory: Killed process/,
    rank: 'telling',
    anyLevel: true,
    retry: 'backoff',
    message: () => 'The machine had no main memory left for the engine.',
    advice: 'Give the machine or container more main memory (1.3 times the weights plus 4 GiB), not more GPU memory.',
  },
] as const satisfies readonly FailureRow[];
