import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import { findHere } from '../../../supervisor/repository/local.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { reading } from '../support/pretend-smi.ts';
import { scratchFolder } from '../support/scratch.ts';

const LLAMA = {
  model_type: 'llama',
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_size: 4096,
  intermediate_size: 14336,
  vocab_size: 128256,
  max_position_embeddings: 131072,
};

/** A folder with this config.json and weights of so many GiB (a file with a hole takes no room). */
function modelFolder(config: object, gib: number, folder = scratchFolder()): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'tokenizer.json'), '{}');
  for (const name of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'consolidated.safetensors']) {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), Math.round((gib / 2) * 2 ** 30));
  }
  return folder;
}

/** What the files of a folder or of the hub's cache say. */
function readModelFiles(id: string, source: string, cwd: string, env: Record<string, string>) {
  return findHere({ id, source, revision: null, downloadDir: null }, cwd, env)?.profile ?? null;
}

const read = (config: object, gib = 10) => readModelFiles('mine', modelFolder(config, gib), '/', {});

describe('the files of a model', () => {
  test('tell its dimensions and the size of its weights', () => {
    expect(read({ ...LLAMA, quantization_config: { quant_method: 'awq', bits: 4 } }, 5)).toMatchObject({
      name: 'mine',
      max_context: 131072,
      shape: { layers: 32, kv_heads: 8, head_dim: 128, hidden: 4096, vocabulary: 128256, tied_embeddings: false },
      variants: [{ quantization: 'awq', weights_gib: 5 }],
    });
  });

  test.each([
    [{ quant_method: 'gptq', bits: 8 }, 'gptq_int8'],
    [{ quant_method: 'gptq', bits: 4 }, 'gptq'],
    [{ quant_method: 'compressed-tensors', format: 'float-quantized' }, 'fp8'],
    [{ quant_method: 'compressed-tensors', format: 'pack-quantized' }, 'w4a16'],
    [{ quant_method: 'compressed-tensors', format: 'int-quantized' }, 'int8'],
    [{ quant_method: 'fp8' }, 'fp8'],
    [{ quant_method: 'mxfp4' }, 'mxfp4'],
    [{ quant_method: 'bitsandbytes' }, 'bitsandbytes'],
    [undefined, 'none'],
  ])('tell by %o that it is quantized as %s', (quantization_config, name) => {
    expect(read({ ...LLAMA, quantization_config })?.variants[0]?.quantization).toBe(name);
  });

  test('tell windows, experts, latent attention and what float16 does to it', () => {
    const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention'];
    const gemma = { text_config: { ...LLAMA, model_type: 'gemma3_text', layer_types, sliding_window: 1024 } };
    expect(read(gemma)).toMatchObject({ dtypes: ['bfloat16'], shape: { sliding: { layers: 2, window: 1024 } } });
    const oss = { ...LLAMA, model_type: 'gpt_oss', num_local_experts: 32, num_experts_per_tok: 4, sliding_window: 128 };
    expect(read(oss)?.shape).toMatchObject({ experts: { count: 32, active: 4 }, attention_sinks: true });
    expect(read(oss)?.shape).not.toHaveProperty('sliding');
    expect(read({ ...LLAMA, kv_lora_rank: 512, qk_rope_head_dim: 64 })?.shape.mla).toEqual({ kv_lora_rank: 512, rope_head_dim: 64 });
  });

  test('tell what it is for', () => {
    const capabilities = (architectures: string[], more: object = {}) => read({ ...LLAMA, architectures, ...more })!.capabilities;
    expect(capabilities(['LlamaForCausalLM'])).toEqual(['chat']);
    expect(capabilities(['Gemma3ForConditionalGeneration'], { vision_config: { hidden_size: 1152 } })).toEqual(['chat', 'vision']);
    expect(capabilities(['XLMRobertaModel'])).toEqual(['embeddings']);
    const folder = modelFolder({ ...LLAMA, architectures: ['Qwen3ForCausalLM'] }, 1);
    writeFileSync(join(folder, 'modules.json'), '[]');
    expect(readModelFiles('mine', folder, '/', {})!.capabilities).toEqual(['embeddings']);
  });

  test('are found in the cache of the hub', () => {
    const home = scratchFolder();
    const repository = join(home, 'hub', 'models--some--model');
    mkdirSync(join(repository, 'refs'), { recursive: true });
    writeFileSync(join(repository, 'refs', 'main'), 'abc123\n');
    modelFolder(LLAMA, 15, join(repository, 'snapshots', 'abc123'));
    expect(readModelFiles('mine', 'some/model', '/', { HF_HOME: home })).toMatchObject({
      variants: [{ weights_gib: 15, source: 'some/model' }],
    });
    expect(readModelFiles('mine', 'some/other', '/', { HF_HOME: home })).toBeNull();
    expect(readModelFiles('mine', '../../../etc/x', '/', { HF_HOME: home })).toBeNull();
  });

  test('that say too little say nothing', () => {
    expect(read({ model_type: 'whisper' })).toBeNull();
    expect(read(LLAMA, 0)).toBeNull();
    expect(readModelFiles('mine', scratchFolder(), '/', {})).toBeNull();
  });
});

describe('a model of the operator’s own', () => {
  const plan = (folder: string, engine = {}) =>
    planFleet(
      settingsSchema.parse({ models: [{ id: 'mine', source: folder, engine }], supervisor: { engine: 'vllm' } }),
      loadProfiles(),
      [reading('NVIDIA GeForce RTX 3060', 12288, 8.6)],
      { cwd: '/', env: {}, stateDir: '/nowhere' },
    ).choices[0];

  test('is given a context that fits', () => {
    expect(plan(modelFolder(LLAMA, 8.4))).toMatchObject({ kind: 'run', fit: { verdict: 'fits' }, engine: { max_model_len: 5120 } });
  });

  test('is tried where arithmetic alone is against it, and refused where its weights are larger than the card', () => {
    expect(plan(modelFolder(LLAMA, 10.8))).toMatchObject({ kind: 'run', fit: { verdict: 'no' } });
    expect(plan(modelFolder(LLAMA, 14))).toMatchObject({ kind: 'refused', reason: expect.stringContaining('14.0 GiB') });
  });
});
