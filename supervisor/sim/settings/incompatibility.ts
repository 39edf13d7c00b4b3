import type { SimSettings } from './settings.ts';

/** Why the card cannot run weights of this format; null where it can. */
function quantizationProblem(settings: SimSettings): string | null {
  const { gpu, spec } = settings;
  if (spec.format !== 'mxfp4' || gpu.capability >= 8) return null;
  return (
    'ValueError: The quantization method mxfp4 is not supported for the current GPU. Minimum capability: 80. ' +
    `Current capability: ${Math.round(gpu.capability * 10)}.`
  );
}

function dtypeProblem(settings: SimSettings): string | null {
  const { gpu, spec, dtype } = settings;
  if (dtype === 'bfloat16' && gpu.capability < 8) {
    return (
      `ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your ${gpu.name} GPU has compute capability ` +
      `${gpu.capability.toFixed(1)}. You can use float16 instead by explicitly setting the \`dtype\` flag in CLI, for example: --dtype=half.`
    );
  }
  if (!spec.needsBfloat16) return null;
  const type = /gemma/i.test(spec.architecture) ? 'gemma3' : 'gpt_oss';
  if (dtype === 'float16' || dtype === 'half')
    return `ValueError: The model type '${type}' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 instead.`;
  // Without --dtype vLLM takes float32 on such a card, in which quantized weights cannot be multiplied.
  if (dtype === 'auto' && gpu.capability < 8 && spec.format !== '16-bit') {
    const method = spec.format === '8-bit' ? 'compressed-tensors' : 'awq';
    return `ValueError: torch.float32 is not supported for quantization method ${method}. Supported dtypes: [torch.float16, torch.bfloat16]`;
  }
  return null;
}

function lengthProblem(settings: SimSettings): string | null {
  const { spec, memory, allowLongContext } = settings;
  if (allowLongContext || typeof memory.maxModelLen !== 'number' || memory.maxModelLen <= spec.maxContext) return null;
  return (
    'pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n' +
    `  Value error, User-specified max_model_len (${memory.maxModelLen}) is greater than the derived max_model_len (max_position_embeddings=${spec.maxContext} ` +
    "or model_max_length=None in model's config.json). To allow overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
  );
}

/** Combinations of card and model that vLLM's front end refuses, in its words; null when there is nothing to say. */
export function incompatibility(settings: SimSettings): string | null {
  return quantizationProblem(settings) ?? dtypeProblem(settings) ?? lengthProblem(settings);
}

/** What only the engine core finds out, when it chooses an attention backend. */
export function attentionProblem(settings: SimSettings): string | null {
  const { gpu, kvCacheDtype } = settings;
  if (!kvCacheDtype.startsWith('fp8') || kvCacheDtype.endsWith('_per_token_head') || gpu.capability >= 8) return null;
  return (
    `ValueError: FP8 KV cache is not supported by the Triton attention backend on ${gpu.name} (compute capability ${gpu.capability.toFixed(1)}); ` +
    'native FP8 (fp8e4nv) requires SM89+. Re-run with --kv-cache-dtype float16.'
  );
}
