import type { QuantizationName } from '../profile/quantizations.ts';
import { LEAST_COMPUTE_CAP, quantization } from '../profile/quantizations.ts';
import type { EngineSettings, ModelProfile } from '../profile/schema.ts';

/** The GPU, as far as it decides what can be computed on it. */
interface CardAbilities {
  readonly computeCap: number | null;
}

/** Attention kernels of Turing have 64 KiB of shared memory; heads beyond this need 96. */
const TURING_MAX_HEAD_DIM = 256;
export const BFLOAT16_FROM = 8;
export const FP8_FROM = 8.9;

/**
 * Why a model in a certain quantization can never run on a card with these settings, however much memory it has; null when it can.
 * A card whose capability is not known is given the benefit of the doubt.
 */
export function incompatibility(
  model: ModelProfile,
  quantizationName: QuantizationName,
  card: CardAbilities,
  engine: EngineSettings,
): string | null {
  const { computeCap } = card;
  if (computeCap === null) return null;
  const cap = computeCap.toFixed(1);
  const format = quantization(quantizationName);
  if (computeCap < LEAST_COMPUTE_CAP) return `vLLM needs compute capability ${LEAST_COMPUTE_CAP} or newer and this GPU has ${cap}`;
  if (computeCap < format.minComputeCap)
    return `its ${quantizationName} weights need compute capability ${format.minComputeCap.toFixed(1)} and this GPU has ${cap}`;
  if (computeCap < BFLOAT16_FROM) {
    const half = !model.dtypes.includes('float16') || format.bfloat16Only;
    if (half) return `it cannot be computed in float16, and this GPU (compute capability ${cap}) has no bfloat16`;
    if (engine['dtype'] === 'bfloat16') return `dtype bfloat16 needs compute capability 8.0 and this GPU has ${cap}: set dtype: half`;
    if (model.shape.head_dim > TURING_MAX_HEAD_DIM)
      return `its attention heads are ${model.shape.head_dim} wide and the shared memory of this GPU holds ${TURING_MAX_HEAD_DIM}`;
  }
  return dtypeProblem(model, engine) ?? cacheProblem(model, computeCap, engine);
}

function dtypeProblem(model: ModelProfile, engine: EngineSettings): string | null {
  const isHalf = engine['dtype'] === 'half' || engine['dtype'] === 'float16';
  return isHalf && !model.dtypes.includes('float16') ? 'it is numerically unstable in float16: leave dtype to vLLM' : null;
}

function cacheProblem(model: ModelProfile, computeCap: number, engine: EngineSettings): string | null {
  const isFp8 = /^fp8(?!_per_token_head)/.test(String(engine['kv_cache_dtype'] ?? ''));
  if (!isFp8 || computeCap >= FP8_FROM) return null;
  const instead = 'use int8_per_token_head or leave kv_cache_dtype out';
  if (computeCap < BFLOAT16_FROM) return `no attention kernel of this GPU reads an fp8 KV cache: ${instead}`;
  // FlashInfer reads it from 8.0 on, but not for models with attention sinks; Triton has both only from 8.9 on.
  return model.shape.attention_sinks ? `with attention sinks an fp8 KV cache needs compute capability 8.9: ${instead}` : null;
}

/** What works, but not as its name promises; one sentence each. */
export function reservations(quantizationName: QuantizationName, card: CardAbilities, engine: EngineSettings): string[] {
  const { computeCap } = card;
  const notes: string[] = [];
  const { plugin } = quantization(quantizationName);
  if (plugin !== undefined) notes.push(`${quantizationName} weights need ${plugin} to be installed beside vLLM.`);
  if (computeCap === null) return notes;
  if (quantizationName === 'fp8' && computeCap < FP8_FROM)
    notes.push('Below compute capability 8.9, FP8 weights save memory but not time.');
  const isFp8Cache = String(engine['kv_cache_dtype'] ?? '').startsWith('fp8');
  if (isFp8Cache && computeCap < FP8_FROM) notes.push('An fp8 KV cache needs FlashInfer here, which compiles kernels with nvcc.');
  return notes;
}
