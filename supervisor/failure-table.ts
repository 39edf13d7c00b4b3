/** How far the worker had come: not started, loading weights, measuring memory, capturing graphs, warming up, answering requests. */
export type FailurePhase = 'launch' | 'load' | 'profile' | 'graphs' | 'warmup' | 'serving';

/**
 * never: the same start would fail in the same way · backoff: try again, later and later ·
 * wait: somebody else holds what is needed · next_port: try again on another port.
 */
export type RetryRule = 'never' | 'backoff' | 'wait' | 'next_port';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface FailureRow {
  readonly class: string;
  /** Looked for in every line of the log, oldest first. null: only the exit tells. */
  readonly pattern: RegExp | null;
  /** Recognizes the exit itself, where the log may be silent. */
  readonly exit?: (exit: Exit) => boolean;
  /** Only looked for before, or only after, the worker was ready. Absent: always. */
  readonly during?: 'start' | 'serving';
  readonly phases?: readonly FailurePhase[];
  readonly retry: RetryRule;
  readonly message: (match: RegExpExecArray | null) => string;
  readonly advice: string;
}

function says(text: string): () => string {
  return () => text;
}

const CUDA_OOM = /CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError/;

/**
 * What vLLM writes when it dies, and what that means. The first row that matches decides, so the telling ones stand before the
 * general ones. A new kind of failure is a new row.
 */
export const FAILURE_ROWS: readonly FailureRow[] = [
  {
    class: 'config',
    pattern: /\bserve: error: (.+)|unrecognized arguments: (.+)/,
    exit: (exit) => exit.code === 2,
    during: 'start',
    retry: 'never',
    message: (match) => `vLLM does not accept its command line${match ? `: ${(match[1] ?? match[2] ?? '').trim()}.` : '.'}`,
    advice: 'An engine setting in the profile or in models[].engine is not one that this vLLM version knows: correct or remove it.',
  },
  {
    class: 'port',
    pattern: /\[Errno 98\]|address already in use|port \d+ is (?:already )?(?:in use|used by)/i,
    during: 'start',
    retry: 'next_port',
    message: says('The worker’s port was taken.'),
    advice: 'The next free port of supervisor.port_range is tried.',
  },
  {
    class: 'busy-vram',
    pattern: /Free memory on device .*?\(([\d.]+)\/([\d.]+) GiB\).*less than desired GPU memory utilization \(([\d.]+), ([\d.]+) GiB\)/,
    during: 'start',
    retry: 'wait',
    message: (match) =>
      `The GPU had ${match?.[1]} of ${match?.[2]} GiB free and ${match?.[4]} GiB were wanted: another process holds the rest.`,
    advice: 'nvidia-smi lists who holds the memory. End it, or lower gpu_memory_utilization.',
  },
  {
    class: 'busy-vram',
    pattern: /Error in memory profiling\. Initial free memory/,
    during: 'start',
    retry: 'wait',
    message: says('Another process changed its share of the GPU’s memory while vLLM was measuring it.'),
    advice: 'Start one engine at a time on a GPU, and keep other programs off it meanwhile.',
  },
  {
    class: 'unsupported-kernel',
    pattern: /OutOfResources: out of resource: shared memory/,
    retry: 'never',
    message: says('A kernel of this model needs more shared memory than this GPU has. That is not a lack of GPU memory.'),
    advice: 'The model’s attention does not fit this GPU generation: choose another model.',
  },
  {
    class: 'unsupported-gpu',
    pattern: /no kernel image is available for execution on the device/,
    during: 'start',
    retry: 'never',
    message: says('This build of vLLM has no code for this GPU.'),
    advice: 'Install a vLLM build for this GPU’s compute capability.',
  },
  {
    class: 'driver',
    pattern:
      /NVIDIA driver on your system is too old|provided PTX was compiled with an unsupported toolchain|CUDA driver version is insufficient/,
    during: 'start',
    retry: 'never',
    message: says('The GPU driver is too old for this build of vLLM.'),
    advice: 'Update the NVIDIA driver, or install a vLLM build for an older CUDA.',
  },
  {
    class: 'no-gpu',
    pattern: /Failed to infer device type|No CUDA GPUs are available|Driver\/library version mismatch/,
    during: 'start',
    retry: 'never',
    message: says('vLLM sees no usable GPU.'),
    advice: 'Check that nvidia-smi works for this user, and in a container that the GPU is passed in. After a driver update, reboot.',
  },
  {
    class: 'config',
    pattern:
      /Bfloat16 is only supported on GPUs|does not support float16\. Reason|is not supported for quantization method|Minimum capability: \d+|is not valid for this configuration\. Reason|No valid attention backend found|FP8 KV cache is not supported/,
    during: 'start',
    retry: 'never',
    message: says('The model, or a setting, asks for something that this GPU cannot do.'),
    advice: 'Use the model and settings that the GPU’s profile gives, or choose a model made for this GPU.',
  },
  {
    class: 'config',
    pattern: /max_model_len \((\d+)\) is greater than the derived max_model_len/,
    during: 'start',
    retry: 'never',
    message: (match) => `The model was not made for a context of ${match?.[1]} tokens.`,
    advice: 'Lower max_model_len.',
  },
  {
    class: 'toolchain',
    pattern: /Failed to find C compiler|Python\.h: No such file|nvcc: (?:command )?not found|Ninja build failed/i,
    during: 'start',
    retry: 'never',
    message: says('vLLM has to compile a kernel and a compiler is missing.'),
    advice: 'Install gcc, ninja and the Python headers (and the CUDA toolkit for FlashInfer), or run vLLM’s container image.',
  },
  {
    class: 'model-fetch',
    pattern: /Cannot access gated repo|GatedRepoError|401 Client Error|RepositoryNotFoundError|is not a valid model identifier/,
    during: 'start',
    retry: 'never',
    message: says('The model could not be fetched: there is no such model, or this account may not read it.'),
    advice: 'Check the model’s source. For a gated model accept its license on the model’s page and set HF_TOKEN.',
  },
  {
    class: 'disk-full',
    pattern: /No space left on device/,
    retry: 'never',
    message: says('The disk is full.'),
    advice: 'Free space where the model cache lies (HF_HOME), then restart the worker.',
  },
  {
    class: 'model-fetch',
    pattern: /LocalEntryNotFoundError|Temporary failure in name resolution|Max retries exceeded with url|MaxRetryError/,
    during: 'start',
    retry: 'backoff',
    message: says('The model could not be fetched: the network or the model hub did not answer.'),
    advice: 'Check the network and proxy settings, or download the model beforehand.',
  },
  {
    class: 'kv-too-small',
    pattern: /max seq len \((\d+)\).*estimated maximum model length is (\d+)/,
    during: 'start',
    retry: 'backoff',
    message: (match) => `A context of ${match?.[1]} tokens does not fit into the GPU’s memory; ${match?.[2]} would.`,
    advice: 'Set max_model_len to at most the figure named here.',
  },
  {
    class: 'oom-kv-zero',
    pattern: /No available memory for the cache blocks|Cannot auto-fit max_model_len/,
    during: 'start',
    retry: 'backoff',
    message: says('The model leaves no room for its working memory (the KV cache).'),
    advice: 'Use a 4-bit version of the model, or lower max_num_batched_tokens and max_num_seqs.',
  },
  {
    class: 'oom-sampler',
    pattern: /CUDA out of memory occurred when warming up sampler with (\d+) dummy requests/,
    during: 'start',
    retry: 'backoff',
    message: (match) => `The GPU ran out of memory trying ${match?.[1]} sequences at once.`,
    advice: 'Lower max_num_seqs.',
  },
  {
    class: 'oom-weights',
    pattern: /Failed to load model - not enough GPU memory/,
    during: 'start',
    retry: 'backoff',
    message: says('The model’s weights do not fit into the GPU’s memory.'),
    advice: 'Use a quantized version or a smaller model; other settings do not help.',
  },
  {
    class: 'oom-weights',
    pattern: CUDA_OOM,
    phases: ['launch', 'load'],
    retry: 'backoff',
    message: says('The GPU ran out of memory while the weights were loaded.'),
    advice: 'Use a quantized version or a smaller model; other settings do not help.',
  },
  {
    class: 'oom-profile',
    pattern: CUDA_OOM,
    phases: ['profile'],
    retry: 'backoff',
    message: says('The GPU ran out of memory in vLLM’s trial run.'),
    advice: 'Lower max_num_batched_tokens, then max_num_seqs.',
  },
  {
    class: 'oom-graph',
    pattern: CUDA_OOM,
    phases: ['graphs'],
    retry: 'backoff',
    message: says('The GPU ran out of memory while CUDA graphs were captured.'),
    advice: 'Lower max_cudagraph_capture_size, or set enforce_eager: true.',
  },
  {
    class: 'oom-runtime',
    pattern: CUDA_OOM,
    phases: ['warmup', 'serving'],
    retry: 'backoff',
    message: says('The GPU ran out of memory while serving.'),
    advice: 'Lower gpu_memory_utilization a little: it leaves more room outside the KV cache.',
  },
  {
    class: 'hardware',
    pattern: /GPU has fallen off the bus|GPU requires reset|Xid.*: (?:48|63|64|74|79|94|95)\b/,
    retry: 'never',
    message: says('The GPU reports a hardware fault.'),
    advice: 'Look into the kernel log (dmesg, “Xid”); the card needs a reset, a reboot, or replacement.',
  },
  {
    class: 'oom-host',
    pattern: /died unexpectedly \(exit code: -9\)|Failed core proc\(s\): \{[^}]*: -9/,
    exit: (exit) => exit.signal === 'SIGKILL' || exit.code === 137,
    retry: 'backoff',
    message: says('The engine was killed from outside, most likely because the machine ran out of main memory.'),
    advice: 'Give the machine or container more main memory (1.3 times the weights plus 4 GiB), not more GPU memory.',
  },
  {
    class: 'crash',
    pattern: /an illegal memory access|unspecified launch failure|device-side assert/,
    exit: (exit) => exit.signal === 'SIGSEGV' || exit.signal === 'SIGABRT' || exit.signal === 'SIGBUS',
    retry: 'backoff',
    message: says('The engine crashed.'),
    advice: 'If it returns, try enforce_eager: true or another attention backend, and look for “Xid” in the kernel log.',
  },
  {
    class: 'start-timeout',
    pattern: /Timed out waiting for engine core processes to start/,
    during: 'start',
    retry: 'backoff',
    message: says('vLLM gave up waiting for its own engine process.'),
    advice: 'The first start compiles kernels and is slow; the next one is faster. Raise supervisor.start_timeout_ms.',
  },
  {
    class: 'engine-start',
    pattern: /Engine core initialization failed|EngineCore failed to start/,
    during: 'start',
    retry: 'backoff',
    message: says('The engine failed while starting.'),
    advice: 'The cause stands further up in the worker’s log file.',
  },
  {
    class: 'engine-death',
    pattern: /EngineDeadError|EngineCore encountered a fatal error|engine core exited unexpectedly|died unexpectedly/,
    phases: ['warmup', 'serving'],
    retry: 'backoff',
    message: says('The engine behind the API server died.'),
    advice: 'The cause stands further up in the worker’s log file.',
  },
];
