import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { QuantizationName } from '../profile/quantizations.ts';
import { quantization } from '../profile/quantizations.ts';
import type { ModelProfile } from '../profile/schema.ts';

const count = z.int().positive();

/** What of a model's config.json the memory is computed from. */
const configSchema = z.object({
  model_type: z.string().default(''),
  architectures: z.array(z.string()).default([]),
  vision_config: z.unknown().optional(),
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.optional(),
  head_dim: count.nullish(),
  hidden_size: count,
  intermediate_size: count,
  moe_intermediate_size: count.nullish(),
  num_local_experts: count.nullish(),
  num_experts: count.nullish(),
  num_experts_per_tok: count.nullish(),
  kv_lora_rank: count.nullish(),
  qk_rope_head_dim: count.nullish(),
  vocab_size: count,
  tie_word_embeddings: z.boolean().default(false),
  max_position_embeddings: count,
  sliding_window: count.nullish(),
  layer_types: z.array(z.string()).nullish(),
  quantization_config: z
    .looseObject({ quant_method: z.string().default(''), bits: z.int().optional(), format: z.string().default('') })
    .nullish(),
});

/** Models that vLLM refuses in float16 because it overflows. */
const BFLOAT16_ONLY = /^(?:gemma2|gemma3|gemma3_text|glm4|gpt_oss)$/;

/** Architectures that make text, as they call themselves; others make vectors or scores. */
const GENERATES = /CausalLM|ConditionalGeneration|LMHead/;

/**
 * What the files of a model say of it: of a folder, or of a repository that lies in the cache of the Hugging Face hub. null when they are
 * not here, or do not tell. Its image encoder, if it has one, counts as weights only.
 */
export function readModelFiles(
  id: string,
  source: string,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): ModelProfile | null {
  const folder = [resolve(cwd, source), cachedFolder(source, env)].find((path) => path !== null && existsSync(join(path, 'config.json')));
  if (!folder) return null;
  try {
    const weightsGib = sizeOfWeights(folder) / 2 ** 30;
    const raw = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { text_config?: object };
    const config = configSchema.parse({ ...raw, ...raw.text_config });
    // What sentence-transformers has saved is a model for embeddings, whatever its architecture.
    const pools = existsSync(join(folder, 'modules.json')) || !config.architectures.every((name) => GENERATES.test(name));
    return weightsGib === 0 ? null : toProfile(id, source, config, weightsGib, pools);
  } catch {
    return null;
  }
}

/** Where the hub's cache keeps the revision that was downloaded last. */
function cachedFolder(source: string, env: Readonly<Record<string, string | undefined>>): string | null {
  if (!/^[\w.-]+\/[\w.-]+$/.test(source)) return null;
  const home = env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache'), 'huggingface');
  const repository = join(env['HF_HUB_CACHE'] ?? join(home, 'hub'), `models--${source.replace('/', '--')}`);
  try {
    return join(repository, 'snapshots', readFileSync(join(repository, 'refs', 'main'), 'utf8').trim());
  } catch {
    return null;
  }
}

function sizeOfWeights(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  // Some repositories bring the same weights twice, the second time in one piece.
  const single = files.filter((name) => name.startsWith('consolidated'));
  const counted = single.length < files.length ? files.filter((name) => !single.includes(name)) : files;
  return counted.reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0);
}

type Config = z.output<typeof configSchema>;

function toProfile(id: string, source: string, config: Config, weightsGib: number, pools: boolean): ModelProfile {
  const format = quantizationOf(config);
  const experts = config.num_local_experts ?? config.num_experts;
  const sliding = slidingLayers(config);
  const shape = {
    parameters_b: (weightsGib * 2 ** 30 * 8) / quantization(format).bits / 1e9,
    layers: config.num_hidden_layers,
    attention_heads: config.num_attention_heads,
    kv_heads: config.num_key_value_heads ?? config.num_attention_heads,
    head_dim: config.head_dim ?? Math.ceil(config.hidden_size / config.num_attention_heads),
    hidden: config.hidden_size,
    intermediate: (experts && config.moe_intermediate_size) || config.intermediate_size,
    vocabulary: config.vocab_size,
    tied_embeddings: config.tie_word_embeddings,
    ...(sliding > 0 && config.sliding_window ? { sliding: { layers: sliding, window: config.sliding_window } } : {}),
    ...(experts ? { experts: { count: experts, active: config.num_experts_per_tok ?? 1 } } : {}),
    ...(config.kv_lora_rank ? { mla: { kv_lora_rank: config.kv_lora_rank, rope_head_dim: config.qk_rope_head_dim ?? 64 } } : {}),
    attention_sinks: config.model_type === 'gpt_oss',
  };
  return {
    name: id,
    title: id,
    capabilities: pools ? ['embeddings'] : ['chat', ...(config.vision_config ? (['vision'] as const) : [])],
    max_context: config.max_position_embeddings,
    dtypes: BFLOAT16_ONLY.test(config.model_type) ? ['bfloat16'] : ['bfloat16', 'float16'],
    shape,
    variants: [{ name: 'own', source, quantization: format, weights_gib: weightsGib, gated: false }],
    engine: {},
    swap: { strategy: 'cold' },
    on: {},
  };
}

/** Which layers have a window is listed in newer configurations only; where it is not, none is assumed to save memory. */
function slidingLayers({ layer_types }: Config): number {
  return layer_types?.filter((type) => type === 'sliding_attention').length ?? 0;
}

function quantizationOf({ quantization_config: config }: Config): QuantizationName {
  const method = config?.quant_method ?? '';
  if (/awq/.test(method)) return 'awq';
  if (/gptq/.test(method)) return config?.bits === 8 ? 'gptq_int8' : 'gptq';
  if (method === 'compressed-tensors')
    return /float/.test(config?.format ?? '') ? 'fp8' : /int-quantized/.test(config?.format ?? '') ? 'int8' : 'w4a16';
  if (/fp8/.test(method)) return 'fp8';
  if (/mxfp4/.test(method)) return 'mxfp4';
  if (/bitsandbytes/.test(method)) return 'bitsandbytes';
  return /modelopt|nvfp4/.test(method) ? 'nvfp4' : 'none';
}
