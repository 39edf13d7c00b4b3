import { z } from 'zod';

type Raw = Readonly<Record<string, unknown>>;

/** What some families call it, where that is not Llama's name. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  num_hidden_layers: ['n_layer', 'n_layers', 'num_layers'],
  num_attention_heads: ['n_head', 'n_heads', 'num_heads'],
  num_key_value_heads: ['num_kv_heads', 'n_head_kv', 'multi_query_group_num'],
  hidden_size: ['n_embd', 'd_model'],
  intermediate_size: ['ffn_hidden_size', 'n_inner', 'ffn_dim'],
  vocab_size: ['padded_vocab_size'],
  max_position_embeddings: ['max_sequence_length', 'seq_length', 'n_positions', 'max_seq_len', 'model_max_length'],
  num_local_experts: ['num_experts', 'n_routed_experts', 'moe_num_experts'],
  num_experts_per_tok: ['moe_topk', 'moe_k', 'top_k_experts'],
};

/** What a family's configurations leave out, since its class in transformers has it by default. */
const LEFT_OUT: Readonly<Record<string, Raw>> = {
  gemma3_text: {
    ...{ num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, vocab_size: 262_208, max_position_embeddings: 131_072 },
    ...{ sliding_window_pattern: 6, sliding_window: 4096, tie_word_embeddings: true },
  },
  gemma3: { num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, vocab_size: 262_208, max_position_embeddings: 131_072 },
  gemma2: { sliding_window_pattern: 2, sliding_window: 4096, tie_word_embeddings: true, head_dim: 256 },
  gemma: { tie_word_embeddings: true, head_dim: 256 },
  llama: {
    ...{ num_hidden_layers: 32, num_attention_heads: 32, hidden_size: 4096, intermediate_size: 11_008, vocab_size: 32_000 },
    max_position_embeddings: 2048,
  },
  mistral: {
    ...{ num_hidden_layers: 32, num_attention_heads: 32, num_key_value_heads: 8, hidden_size: 4096, intermediate_size: 14_336 },
    ...{ vocab_size: 32_000, max_position_embeddings: 131_072 },
  },
};
/** In these only the language model of a pair may lack what its class has by default; by itself it would be a mistake. */
const ONLY_INSIDE: ReadonlySet<string> = new Set(['llama', 'mistral']);

const count = z.int().positive();
const perhaps = count.nullish().catch(null);

/** What of a model's config.json the memory is computed from. */
const schema = z.object({
  model_type: z.string().default(''),
  architectures: z.array(z.string()).nullish(),
  vision_config: z.unknown().optional(),
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: perhaps,
  head_dim: perhaps,
  hidden_size: count,
  intermediate_size: perhaps,
  moe_intermediate_size: perhaps,
  num_local_experts: perhaps,
  num_experts_per_tok: perhaps,
  kv_lora_rank: perhaps,
  qk_rope_head_dim: perhaps,
  qk_nope_head_dim: perhaps,
  vocab_size: count,
  tie_word_embeddings: z.boolean().nullish(),
  max_position_embeddings: count,
  sliding_window: perhaps,
  sliding_window_pattern: perhaps,
  layer_types: z.array(z.string()).nullish().catch(null),
  /** What the weights are stored in, where they are not quantized. */
  torch_dtype: z.string().nullish().catch(null),
});

export type ConfigFields = z.output<typeof schema>;

/**
 * The dimensions in a config.json as transformers writes it: of the language model, where there are others beside it (text_config, or
 * llm_config), under Llama's names. null where it does not tell them.
 */
export function readFields(config: unknown): ConfigFields | null {
  if (!isRecord(config)) return null;
  const inner = [config['text_config'], config['llm_config'], config['language_config']].find(isRecord);
  const flat: Raw = { ...config, ...inner };
  const type = String(inner?.['model_type'] ?? config['model_type'] ?? '');
  const defaults = ONLY_INSIDE.has(type) && !inner ? {} : (LEFT_OUT[type] ?? {});
  const named = Object.fromEntries(
    Object.keys(schema.shape).flatMap((key) => {
      const value = [key, ...(SYNONYMS[key] ?? [])].map((name) => flat[name]).find((each) => each !== undefined && each !== null);
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
  const dtype = flat['torch_dtype'] ?? flat['dtype'];
  const parsed = schema.safeParse({
    ...defaults,
    ...named,
    ...(dtype === undefined ? {} : { torch_dtype: dtype }),
    // Falcon's older models share one key between all heads.
    ...(flat['multi_query'] === true && named['num_key_value_heads'] === undefined ? { num_key_value_heads: 1 } : {}),
    model_type: type,
    // A pair names its architecture outside.
    architectures: config['architectures'] ?? inner?.['architectures'],
  });
  return parsed.success ? parsed.data : null;
}

export function isRecord(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
