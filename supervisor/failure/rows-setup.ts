import type { FailureRow } from './row.ts';

function says(text: string): () => string {
  return () => text;
}

function trimmed(text: string | undefined): string {
  return (text ?? '').trim().replace(/\.$/, '');
}

/** What a start cannot succeed with, however often it is repeated: settings, model, GPU, driver and what is installed. */
export const SETUP_ROWS = [
  {
    class: 'config',
    pattern: /\bserve: error: (.+)|unrecognized arguments: (.+)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `vLLM does not accept its command line: ${trimmed(match[1] ?? match[2])}.`,
    advice: 'An engine setting in the profile or in models[].engine is not one that this vLLM version knows: correct or remove it.',
  },
  {
    class: 'port',
    pattern: /\[Errno 98\]|address already in use|EADDRINUSE|errno: 98\b|port \d+ is (?:already )?(?:in use|used by)/i,
    rank: 'decisive',
    during: 'start',
    retry: 'next_port',
    message: says('The worker’s port was taken.'),
    advice: 'The next free port of supervisor.port_range is tried.',
  },
  {
    class: 'unsupported-kernel',
    pattern: /OutOfResources: out of resource: shared memory(?:, Required: (\d+), Hardware limit: (\d+))?/,
    rank: 'decisive',
    retry: 'never',
    message: (match) =>
      'A kernel of this model needs more shared memory than this GPU has' +
      (match[1] ? ` (${match[1]} of ${match[2]} bytes).` : '.') +
      ' That is not a lack of GPU memory.',
    advice: 'The model’s attention does not fit this GPU generation: choose another model.',
  },
  {
    class: 'unsupported-kernel',
    pattern: /BatchPrefillWithPagedKVCache failed with error|Cannot use FA version/,
    rank: 'decisive',
    retry: 'never',
    message: says('An attention kernel was chosen that does not work on this GPU generation.'),
    advice: 'Use vLLM 0.24 or newer, or set attention_backend: TRITON_ATTN and the environment’s VLLM_USE_FLASHINFER_SAMPLER=0.',
  },
  {
    class: 'unsupported-gpu',
    pattern:
      /no kernel image is available for execution on the device|Torch not compiled with CUDA enabled|Value 'sm_\w+' is not defined for option 'gpu-name'/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('This build of vLLM has no code for this GPU.'),
    advice: 'Install a vLLM build for this GPU’s compute capability.',
  },
  {
    class: 'driver',
    pattern:
      /NVIDIA driver on your system is too old|provided PTX was compiled with an unsupported toolchain|CUDA driver version is insufficient|unsupported display driver \/ cuda driver combination|forward compatibility was attempted on non supported HW/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The GPU driver is too old for this build of vLLM.'),
    advice: 'Update the NVIDIA driver (R580 or newer for builds with CUDA 13), or install a vLLM build for an older CUDA.',
  },
  {
    class: 'config',
    pattern: /World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `The model is to be spread over ${match[1]} GPUs and ${match[2]} can be used.`,
    advice: 'Lower tensor_parallel_size times pipeline_parallel_size, or set gpu_mode: auto.',
  },
  {
    class: 'no-gpu',
    pattern: /Failed to infer device type|No CUDA GPUs are available|no CUDA-capable device is detected|Driver\/library version mismatch/,
    rank: 'telling',
    during: 'start',
    // A driver may come later than we do after a boot, or be in the middle of an update.
    retry: 'backoff',
    message: says('vLLM sees no usable GPU.'),
    advice: 'Check that nvidia-smi works for this user, and in a container that the GPU is passed in. After a driver update, reboot.',
  },
  {
    class: 'config',
    pattern:
      /Bfloat16 is only supported on GPUs with compute capability of at least 8\.0(?:\. Your (.+?) GPU has compute capability (\d+\.\d+))?/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) =>
      match[1]
        ? `The ${match[1]} (compute capability ${match[2]}) has no bfloat16.`
        : 'This GPU has no bfloat16: it is older than compute capability 8.0.',
    advice: 'Set dtype: half in the model’s engine settings, or choose a model whose weights are in float16 or 4 bits.',
  },
  {
    class: 'config',
    pattern: /model type ['"]?([\w.-]+)['"]? does not support float16\. Reason: ([^.]+)|does not support float16\. Reason/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) =>
      `This model cannot compute in float16${match[2] ? ` (${match[1]}: ${match[2].toLowerCase()})` : ''}, and this GPU or the dtype setting leaves nothing else.`,
    advice:
      'Use dtype: bfloat16 on a GPU of compute capability 8.0 or newer; on a T4 choose an AWQ version of Llama 3.1 8B, Mistral 7B or Qwen2.5.',
  },
  {
    class: 'config',
    pattern:
      /quantization method (\S+) is not supported|is not supported for quantization method|Minimum capability: (\d+)|fp8e4nv not supported|FP8 KV cache is not supported/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) =>
      `This GPU, or this vLLM build, cannot work with the quantization that was asked for${match[1] ? ` (${match[1]})` : ''}.`,
    advice: 'Choose weights in another quantization (AWQ works from compute capability 7.5 on), and no fp8 KV cache below 8.9.',
  },
  {
    class: 'config',
    pattern: /is not valid for this configuration\. Reason|No valid attention backend found/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The attention backend that was asked for does not work with this model on this GPU.'),
    advice: 'Remove attention_backend from the engine settings: vLLM then chooses one that works.',
  },
  {
    class: 'config',
    pattern: /max_model_len \((\d+)\) is greater than the derived max_model_len(?: \([^=)]*=(\d+))?/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `The model was not made for a context of ${match[1]} tokens${match[2] ? `, but for ${match[2]}` : ''}.`,
    advice: 'Lower max_model_len.',
  },
  {
    class: 'config',
    pattern: /Model architectures (\[.*?\]) are not supported/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `This vLLM version does not know the model’s architecture ${match[1]}.`,
    advice: 'Update vLLM, or choose another model.',
  },
  {
    class: 'config',
    pattern: /Invalid value '([^']*)' for (VLLM_\w+)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `The environment’s ${match[2]} is “${match[1]}”, which vLLM does not know.`,
    advice: 'Correct it where it is set: the env of a profile, or the supervisor’s own environment. The quote lists what vLLM knows.',
  },
  {
    class: 'config',
    pattern: /Unknown level: '?([^'\s]+)|Unable to configure handler 'vllm'/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `The environment’s VLLM_LOGGING_LEVEL is not a level that Python knows${match[1] ? `: “${match[1]}”` : ''}.`,
    advice: 'Use DEBUG, INFO, WARNING or ERROR.',
  },
  {
    // Numbers of the command line are checked by its parser before.
    class: 'config',
    pattern: /invalid literal for int\(\) with base \d+: '([^']*)'|could not convert string to float: '([^']*)'/,
    rank: 'decisive',
    during: 'start',
    phases: ['launch'],
    retry: 'never',
    message: (match) => `vLLM expected a number and got “${match[1] ?? match[2]}”, most likely in a variable of its environment.`,
    advice: 'Look for that value among the VLLM_… variables: the env of a profile, and the supervisor’s own environment.',
  },
  {
    class: 'config',
    pattern: /\d+ validation errors? for (\w+)/,
    rank: 'telling',
    during: 'start',
    retry: 'never',
    message: (match) => `vLLM rejects a setting of its ${match[1]}.`,
    advice: 'The line after it in the worker’s log names the setting and why: correct it in models[].engine or in the profile.',
  },
  {
    class: 'toolchain',
    pattern:
      /Failed to find C compiler|Python\.h: No such file|stddef\.h: No such file|nvcc: (?:command )?not found|Could not find nvcc|Ninja build failed/i,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('vLLM has to compile a kernel and a compiler is missing.'),
    advice: 'Install gcc, ninja and the Python headers (and the CUDA toolkit for FlashInfer), or run vLLM’s container image.',
  },
  {
    class: 'model-fetch',
    pattern:
      /Cannot access gated repo|GatedRepoError|403 (?:Client Error|Forbidden).*(?:huggingface|hf\.co)|Access to model \S+ is restricted|awaiting a review from the repo authors|not in the authorized list/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The model is gated: its owner has not given this account access.'),
    advice: 'Accept its license on the model’s page, set HF_TOKEN to a token of that account, and restart the worker.',
  },
  {
    class: 'model-fetch',
    pattern: /401 Client Error|RepositoryNotFoundError|is not a valid model identifier|does not appear to have a file named config\.json/,
    rank: 'telling',
    during: 'start',
    retry: 'never',
    message: says('The model was not found: there is none of this name, or this account may not see it.'),
    advice: 'Check models[].source for a slip. For a private model set HF_TOKEN; for a folder, check its path.',
  },
  {
    class: 'disk-full',
    pattern: /No space left on device|Disk quota exceeded/,
    rank: 'decisive',
    retry: 'never',
    message: says('The disk is full.'),
    advice: 'Free space where the model cache lies (HF_HOME), then restart the worker.',
  },
  {
    class: 'model-fetch',
    pattern:
      /LocalEntryNotFoundError|Temporary failure in name resolution|Max retries exceeded with url|MaxRetryError|couldn't connect to 'https:\/\/huggingface\.co'/,
    rank: 'telling',
    during: 'start',
    retry: 'backoff',
    message: says('The model could not be fetched: the network or the model hub did not answer.'),
    advice: 'Check the network and proxy settings, or download the model beforehand.',
  },
] as const satisfies readonly FailureRow[];
