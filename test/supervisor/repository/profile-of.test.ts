import { describe, expect, test } from 'vitest';
import { profileOf } from '../../../supervisor/repository/profile-of.ts';

const GIB = 2 ** 30;
const of = (config: unknown, gib = 10) =>
  profileOf({ id: 'm', source: 'a/m', config, weightsBytes: gib * GIB, pools: false, gated: false });

const LLAMA = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32 },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, vocab_size: 128256, max_position_embeddings: 131072, torch_dtype: 'bfloat16' },
};

/** Configurations as they are published, less what nobody reads; and what vLLM computes its memory from. */
const PUBLISHED: readonly [string, object, object][] = [
  [
    'Qwen3-30B-A3B',
    {
      ...{ architectures: ['Qwen3MoeForCausalLM'], model_type: 'qwen3_moe', hidden_size: 2048, intermediate_size: 6144, head_dim: 128 },
      ...{ moe_intermediate_size: 768, num_attention_heads: 32, num_experts: 128, num_experts_per_tok: 8, num_hidden_layers: 48 },
      ...{ num_key_value_heads: 4, vocab_size: 151936, max_position_embeddings: 40960 },
    },
    { layers: 48, kv_heads: 4, head_dim: 128, intermediate: 768, experts: { count: 128, active: 8 } },
  ],
  [
    'Mixtral-8x7B-v0.1',
    {
      ...{
        architectures: ['MixtralForCausalLM'],
        model_type: 'mixtral',
        hidden_size: 4096,
        intermediate_size: 14336,
        num_attention_heads: 32,
      },
      ...{ num_experts_per_tok: 2, num_hidden_layers: 32, num_key_value_heads: 8, num_local_experts: 8, sliding_window: null },
      ...{ vocab_size: 32000, max_position_embeddings: 32768 },
    },
    { layers: 32, kv_heads: 8, head_dim: 128, intermediate: 14336, experts: { count: 8, active: 2 } },
  ],
  [
    'gemma-3-12b-it, which leaves out what its class has by default',
    {
      ...{ architectures: ['Gemma3ForConditionalGeneration'], model_type: 'gemma3', vision_config: { hidden_size: 1152 } },
      text_config: {
        ...{ hidden_size: 3840, intermediate_size: 15360, model_type: 'gemma3_text', num_attention_heads: 16, num_hidden_layers: 48 },
        ...{ num_key_value_heads: 8, sliding_window: 1024 },
      },
    },
    { layers: 48, attention_heads: 16, kv_heads: 8, head_dim: 256, vocabulary: 262208, sliding: { layers: 40, window: 1024 } },
  ],
  [
    'gemma-2-9b-it',
    {
      ...{ architectures: ['Gemma2ForCausalLM'], model_type: 'gemma2', head_dim: 256, hidden_size: 3584, intermediate_size: 14336 },
      ...{ num_attention_heads: 16, num_hidden_layers: 42, num_key_value_heads: 8, sliding_window: 4096, vocab_size: 256000 },
      max_position_embeddings: 8192,
    },
    { layers: 42, head_dim: 256, tied_embeddings: true, sliding: { layers: 21, window: 4096 } },
  ],
  [
    'Phi-3-mini-4k-instruct',
    {
      ...{ architectures: ['Phi3ForCausalLM'], model_type: 'phi3', hidden_size: 3072, intermediate_size: 8192, num_attention_heads: 32 },
      ...{ num_hidden_layers: 32, num_key_value_heads: 32, vocab_size: 32064, max_position_embeddings: 4096, sliding_window: 2047 },
    },
    { layers: 32, kv_heads: 32, head_dim: 96 },
  ],
  [
    'DeepSeek-V2-Lite',
    {
      ...{ architectures: ['DeepseekV2ForCausalLM'], model_type: 'deepseek_v2', hidden_size: 2048, intermediate_size: 10944 },
      ...{ kv_lora_rank: 512, qk_rope_head_dim: 64, qk_nope_head_dim: 128, v_head_dim: 128, q_lora_rank: null, n_routed_experts: 64 },
      ...{ moe_intermediate_size: 1408, num_attention_heads: 16, num_experts_per_tok: 6, num_hidden_layers: 27, num_key_value_heads: 16 },
      ...{ vocab_size: 102400, max_position_embeddings: 163840 },
    },
    { layers: 27, head_dim: 192, mla: { kv_lora_rank: 512, rope_head_dim: 64 }, experts: { count: 64, active: 6 }, intermediate: 1408 },
  ],
  [
    'gpt2, under names of its own',
    { architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', n_embd: 768, n_head: 12, n_layer: 12, n_positions: 1024, vocab_size: 50257 },
    { layers: 12, kv_heads: 12, head_dim: 64, hidden: 768, intermediate: 3072 },
  ],
  [
    'falcon-7b, whose heads share one key',
    {
      ...{ architectures: ['FalconForCausalLM'], model_type: 'falcon', hidden_size: 4544, num_attention_heads: 71, num_hidden_layers: 32 },
      ...{ multi_query: true, vocab_size: 65024, max_position_embeddings: 2048 },
    },
    { kv_heads: 1, head_dim: 64, intermediate: 18176 },
  ],
  [
    'a pair with Llama, which leaves out what its class has by default',
    {
      architectures: ['LlavaForConditionalGeneration'],
      model_type: 'llava',
      text_config: { model_type: 'llama', vocab_size: 32064 },
      vision_config: {},
    },
    { layers: 32, hidden: 4096, kv_heads: 32, vocabulary: 32064 },
  ],
];

describe('the dimensions of', () => {
  test.each(PUBLISHED)('%s', (_name, config, shape) => {
    expect(of(config)!.shape).toMatchObject(shape);
  });
});

describe('weights', () => {
  test.each<[object, string]>([
    [{ quant_method: 'awq', bits: 4 }, 'awq'],
    [{ quant_method: 'gptq', bits: 4, desc_act: true }, 'gptq'],
    [{ quant_method: 'auto-round', bits: 4 }, 'gptq'],
    [{ quant_method: 'fp8', weight_block_size: [128, 128] }, 'fp8'],
    [{ _load_in_4bit: true, load_in_4bit: true, quant_method: 'bitsandbytes' }, 'bitsandbytes'],
    [{ quant_method: 'compressed-tensors', format: 'nvfp4-pack-quantized' }, 'nvfp4'],
    [{ quant_method: 'compressed-tensors', config_groups: { group_0: { format: 'float-quantized', weights: { num_bits: 8 } } } }, 'fp8'],
    [
      { quant_method: 'compressed-tensors', format: 'pack-quantized', config_groups: { group_0: { weights: { num_bits: 8 } } } },
      'gptq_int8',
    ],
    [{ quant_method: 'modelopt', quant_algo: 'NVFP4' }, 'nvfp4'],
    [{ quant_method: 'modelopt', quantization: { quant_algo: 'FP8' } }, 'fp8'],
    [{ quant_method: 'something-new' }, 'none'],
  ])('stored as %o are %s', (quantization_config, name) => {
    expect(of({ ...LLAMA, quantization_config })!.variants[0]!.quantization).toBe(name);
  });

  test('in 32 bits take half as much once they are loaded', () => {
    expect(of({ ...LLAMA, torch_dtype: 'float32' }, 30)!.variants[0]!.weights_gib).toBe(15);
    expect(of({ ...LLAMA, torch_dtype: undefined, dtype: 'float32' }, 30)!.variants[0]!.weights_gib).toBe(15);
    expect(of(LLAMA, 30)!.variants[0]!.weights_gib).toBe(30);
  });
});

test.each([null, 7, [], {}, { model_type: 'llama' }, { ...LLAMA, hidden_size: 'large' }, { ...LLAMA, num_hidden_layers: -1 }])(
  'a configuration that says too little (%o) says nothing',
  (config) => {
    expect(of(config)).toBeNull();
  },
);
