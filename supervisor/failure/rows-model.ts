import type { FailureRow } from './row.ts';

function says(text: string): () => string {
  return () => text;
}

/** What is wrong with a model's files, or with what is needed to read and to fetch them. The words are vLLM's and its libraries'. */
export const MODEL_ROWS = [
  {
    class: 'config',
    pattern:
      /contains custom code which must be executed|[`'"]trust_remote_code=True|requires you to execute the (?:configuration|modeling|dataset)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The model brings code of its own, and vLLM does not run that unasked.'),
    advice: 'Read the code on the model’s page; if you trust it, set trust_remote_code: true under models[].engine.',
  },
  {
    class: 'model-fetch',
    pattern: /HarmonyError|failed to download or load vocab file/,
    rank: 'decisive',
    retry: 'backoff',
    message: says('gpt-oss needs two files with its encoding, which could not be fetched.'),
    advice:
      'Without a network, put o200k_base.tiktoken and cl100k_base.tiktoken into a folder and name it in TIKTOKEN_ENCODINGS_BASE in the supervisor’s environment.',
  },
  {
    class: 'model-fetch',
    pattern: /OfflineModeIsEnabled|offline mode is enabled|outgoing traffic has been disabled/i,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The model is not on this machine, and the offline mode (HF_HUB_OFFLINE) forbids to fetch it.'),
    advice: 'Unset HF_HUB_OFFLINE for one start, or fetch the model beforehand (hf download), into the cache that HF_HOME names.',
  },
  {
    class: 'model-fetch',
    pattern: /HFValidationError: Repo id must be in the form.*?: '([^']+)'|HFValidationError/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `${match[1] ?? 'The model’s source'} is neither a folder on this machine nor the id of a model.`,
    advice: 'Check models[].source for a slip: a path must exist where the engine runs, an id is “owner/name”.',
  },
  {
    class: 'model-fetch',
    pattern:
      /is not a valid JSON file|SafetensorError|Error while deserializing header|InvalidHeaderDeserialization|MetadataIncompleteBuffer|incomplete metadata, file not fully covered/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('A file of the model is damaged or not whole.'),
    advice: 'Delete the model’s folder in the cache (HF_HOME) and let it be fetched again.',
  },
  {
    class: 'config',
    pattern: /model type [`'"]([\w.-]+)[`'"] but Transformers does not recognize this architecture/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `The installed transformers library does not know the model’s architecture (${match[1]}).`,
    advice: 'Update vLLM and transformers, or choose another model.',
  },
  {
    class: 'config',
    pattern:
      /Cannot find the config file for (\w+)|Quantization method specified in the model config \((\w+)\) does not match|Unknown quantization method:? ?['"]?([\w.-]*\w)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) =>
      `The quantization that is set (${match[1] ?? match[3] ?? 'quantization'}) is not that of the model’s files${match[2] ? ` (${match[2]})` : ''}, or vLLM does not know it.`,
    advice:
      'Leave quantization out of the engine settings: vLLM reads it from the model. Or choose weights in the quantization that is wanted.',
  },
  {
    class: 'config',
    pattern:
      /invalid (tool call|reasoning) parser: ?([\w.-]*\w)|--enable-auto-tool-choice requires --tool-call-parser|(Tool|Reasoning) parser '?([\w.-]+)'? not found/i,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => {
      const [kind, name] = match[1] ? [match[1], match[2]] : [match[3], match[4]];
      return name
        ? `This vLLM has no ${kind?.toLowerCase()} parser ${name}.`
        : 'Tools are to be chosen by the model, and no parser for its calls is set.';
    },
    advice:
      'Set tool_call_parser (reasoning_parser) under models[].engine to one that the model’s page names; the quote lists those that vLLM has.',
  },
  {
    class: 'model-fetch',
    pattern: /Cannot find any model weights with [`'"]?([^`'"\s]+)/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: (match) => `There are no weights in ${match[1]}.`,
    advice: 'Fetch the model’s files anew: a folder needs its .safetensors files beside config.json.',
  },
  {
    class: 'model-fetch',
    pattern:
      /Failed to load the tokenizer|[Cc]an't load tokenizer for|[Uu]nable to load vocabulary|Couldn't instantiate the backend tokenizer/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('The model’s tokenizer cannot be read.'),
    advice:
      'Fetch the model’s files anew (tokenizer.json, tokenizer_config.json), or name another tokenizer under models[].engine.tokenizer.',
  },
  {
    class: 'config',
    pattern: /Sleep mode is not supported on current platform/,
    rank: 'decisive',
    during: 'start',
    retry: 'never',
    message: says('This platform cannot put a model to sleep.'),
    advice: 'Set swap.strategy: cold for this model.',
  },
  {
    class: 'toolchain',
    pattern:
      /(?:ModuleNotFoundError|ImportError): (?:No module named ['"]?([\w.]+)|(\S+\.so[\w.]*): cannot open shared object file|.*undefined symbol)/,
    rank: 'telling',
    during: 'start',
    retry: 'never',
    message: (match) => `The installation of vLLM is not whole: ${match[1] ?? match[2] ?? 'a library'} is missing or of another version.`,
    advice: 'Install vLLM anew in a virtual environment of its own (pip install vllm), or run its container image.',
  },
] as const satisfies readonly FailureRow[];
