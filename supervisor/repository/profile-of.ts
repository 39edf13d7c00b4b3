import { quantization } from '../profile/quantizations.ts';
import type { ModelProfile } from '../profile/schema.ts';
import type { ConfigFields } from './fields.ts';
import { isRecord, readFields } from './fields.ts';
import { quantizationOf } from './quantization.ts';

/** Models that vLLM refuses in float16 because it overflows. */
const BFLOAT16_ONLY = /^(?:gemma2|gemma3|gemma3_text|glm4|gpt_oss)$/;

/** Architectures that make text, as they call themselves; others make vectors or scores. */
const GENERATES = /CausalLM|ConditionalGeneration|LMHead/;

export interface ModelFiles {
  readonly id: string;
  readonly source: string;
  /** Its config.json. */
  readonly config: unknown;
  /** Of the files that vLLM would load. */
  readonly weightsBytes: number;
  /** It was saved by sentence-transformers: a model for embeddings, whatever its architecture. */
  readonly pools: boolean;
  readonly gated: boolean;
}

/** What the files of a model say of it, as a profile. null when they do not tell. Its image encoder, if it has one, counts as weights only. */
export function profileOf({ id, source, config, weightsBytes, pools, gated }: ModelFiles): ModelProfile | null {
  const fields = readFields(config);
  if (!fields || weightsBytes <= 0) return null;
  const format = quantizationOf(config);
  // vLLM computes in 16 bits what is stored in 32.
  const isWide = format === 'none' && fields.torch_dtype?.endsWith('float32') === true;
  const weightsGib = weightsBytes / (isWide ? 2 : 1) / 2 ** 30;
  const makesText = (fields.architectures ?? []).every((name) => GENERATES.test(name));
  const sees = isRecord(config) && isRecord(config['vision_config']);
  return {
    name: id,
    title: id,
    capabilities: pools || !makesText ? ['embeddings'] : ['chat', ...(sees ? (['vision'] as const) : [])],
    max_context: fields.max_position_embeddings,
    dtypes: BFLOAT16_ONLY.test(fields.model_type) ? ['bfloat16'] : ['bfloat16', 'float16'],
    shape: { parameters_b: (weightsGib * 2 ** 30 * 8) / quantization(format).bits / 1e9, ...dimensions(fields) },
    variants: [{ name: 'own', source, quantization: format, weights_gib: weightsGib, gated }],
    engine: {},
    swap: { strategy: 'cold' },
    on: {},
  };
}

function dimensions(fields: ConfigFields): Omit<ModelProfile['shape'], 'parameters_b'> {
  const { num_local_experts: experts, kv_lora_rank: latent, qk_rope_head_dim: rope, qk_nope_head_dim: nope } = fields;
  const hidden = fields.hidden_size;
  const sliding = slidingLayers(fields);
  const width = fields.intermediate_size ?? 4 * hidden;
  const head = fields.head_dim ?? (latent && nope ? nope + (rope ?? 0) : Math.ceil(hidden / fields.num_attention_heads));
  return {
    layers: fields.num_hidden_layers,
    attention_heads: fields.num_attention_heads,
    kv_heads: fields.num_key_value_heads ?? fields.num_attention_heads,
    head_dim: head,
    hidden,
    intermediate: (experts && fields.moe_intermediate_size) || width,
    vocabulary: fields.vocab_size,
    tied_embeddings: fields.tie_word_embeddings ?? false,
    ...(sliding > 0 && fields.sliding_window ? { sliding: { layers: sliding, window: fields.sliding_window } } : {}),
    ...(experts && experts > 1 ? { experts: { count: experts, active: fields.num_experts_per_tok ?? 1 } } : {}),
    ...(latent ? { mla: { kv_lora_rank: latent, rope_head_dim: rope ?? 64 } } : {}),
    attention_sinks: fields.model_type === 'gpt_oss',
  };
}

/**
 * Which layers have a window is listed in newer configurations; Gemma's older ones say that every so-manieth has none. Where neither is
 * said, none is assumed to save memory.
 */
function slidingLayers({ layer_types, sliding_window_pattern: pattern, num_hidden_layers: layers }: ConfigFields): number {
  if (layer_types) return layer_types.filter((type) => type === 'sliding_attention').length;
  return pattern ? layers - Math.floor(layers / pattern) : 0;
}
