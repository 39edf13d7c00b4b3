import { describe, expect, test } from 'vitest';
import type { ModelRequest, RunChoice, Surroundings } from '../../../supervisor/plan/engine-choice.ts';
import { chooseEngine } from '../../../supervisor/plan/engine-choice.ts';
import type { CardFacts } from '../../../supervisor/fit/settings.ts';
import type { EngineSettings } from '../../../supervisor/profile/profile.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { withSteps } from '../../../supervisor/profile/match.ts';

const profiles = loadProfiles();
const others = [...profiles.models.values()];

interface Case {
  readonly gpu?: string;
  readonly tuning?: string;
  readonly card?: Partial<CardFacts>;
  readonly engine?: EngineSettings;
  readonly source?: string;
  readonly around?: Surroundings;
}

function choose(id: string, { gpu = 'generic', tuning = 'balanced', card = {}, engine = {}, source, around = { others } }: Case) {
  const profile = profiles.gpus.get(gpu)!;
  const facts: CardFacts = {
    name: profile.title,
    memoryGib: profile.memory_gib,
    computeCap: profile.compute_cap,
    display: false,
    count: 1,
    ...card,
  };
  const request: ModelRequest = { id, source: source ?? null, profile: profiles.models.get(id) ?? null, engine };
  return chooseEngine(request, withSteps(profile, { ...facts, vllmVersion: null }), profiles.tunings.get(tuning)!, facts, around);
}

function run(id: string, asked: Case): RunChoice {
  const choice = choose(id, asked);
  if (choice.kind === 'refused') throw new Error(choice.reason);
  return choice;
}

const LLAMA = 'llama-3.1-8b-instruct';

describe('a layer', () => {
  test('of a display makes room for the desktop', () => {
    expect(run(LLAMA, { gpu: 'rtx-4080', card: { display: true } }).engine).toMatchObject({ gpu_memory_utilization: 0.9 });
    expect(run(LLAMA, { gpu: 'rtx-4080' }).engine).toMatchObject({ gpu_memory_utilization: 0.92 });
    // Also where a model asks for nearly the whole card.
    const oss = (display: boolean) => run('gpt-oss-20b', { gpu: 'rtx-4080', card: { display } });
    expect(oss(false)).toMatchObject({ engine: { gpu_memory_utilization: 0.95 }, fit: { verdict: 'tight' } });
    expect(oss(true)).toMatchObject({ engine: { gpu_memory_utilization: 0.9 }, fit: { verdict: 'tight' } });
  });

  test('of a tuning changes what the profiles say, relative to it', () => {
    expect(run(LLAMA, { gpu: 'rtx-4080', tuning: 'safe' }).engine).toMatchObject({
      gpu_memory_utilization: 0.89,
      max_num_seqs: 8,
      max_num_batched_tokens: 1024,
      max_cudagraph_capture_size: 8,
    });
    expect(run(LLAMA, { gpu: 'rtx-4080', tuning: 'throughput' }).engine).toMatchObject({ max_num_seqs: 32, max_num_batched_tokens: 2048 });
    expect(run(LLAMA, { gpu: 'l4', tuning: 'throughput' }).engine).toMatchObject({ max_num_batched_tokens: 4096 });
  });

  test('of the operator beats them all', () => {
    const engine = { max_num_seqs: 3, enforce_eager: true };
    const choice = run(LLAMA, { gpu: 'rtx-4080', tuning: 'throughput', source: '/models/mine', engine });
    expect(choice).toMatchObject({ source: '/models/mine', weightsGib: null, fit: null, engine });
    // In whichever of vLLM's two spellings.
    expect(run(LLAMA, { gpu: 'rtx-4080', engine: { 'max-num-seqs': 3 } }).engine).toMatchObject({ max_num_seqs: 3 });
  });
});

describe('the weights', () => {
  test('are the largest that fit and that anybody may download', () => {
    const name = (memoryGib: number, computeCap = 8.6) => run(LLAMA, { card: { memoryGib, computeCap } }).variant!.name;
    expect([name(79), name(15.5), name(8)]).toEqual(['fp8', 'fp8', 'awq']);
    expect(run('qwen2.5-14b-instruct', { card: { memoryGib: 79, computeCap: 9 } }).variant!.name).toBe('bf16');
    expect(run('qwen2.5-14b-instruct', { card: { memoryGib: 22, computeCap: 8.6 } }).variant!.name).toBe('gptq-int8');
  });

  test('are the smallest where nothing is known of the card', () => {
    expect(run(LLAMA, { card: { memoryGib: null, computeCap: null } })).toMatchObject({ variant: { name: 'awq' }, fit: null });
  });
});

describe('what does not fit', () => {
  test('is made to, and what was changed is said', () => {
    const choice = run('qwen2.5-14b-instruct', { card: { memoryGib: 11.5, computeCap: 8.6 } });
    expect(choice.fit?.verdict).not.toBe('no');
    expect(choice.engine['max_model_len']).toBeLessThan(8192);
    expect(choice.notes.join(' ')).toMatch(/^So that it fits: .*max_model_len \d+ instead of 8192/);
  });

  test('is never made to by what the operator has set', () => {
    const choice = run('qwen2.5-14b-instruct', { card: { memoryGib: 11.5, computeCap: 8.6 }, engine: { max_model_len: 8192 } });
    expect(choice).toMatchObject({ engine: { max_model_len: 8192 }, fit: { verdict: 'no' } });
  });

  test('at all is refused with the reason and the nearest model that works', () => {
    expect(choose('gpt-oss-20b', { gpu: 'rtx-3060' })).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/^gpt-oss-20b does not fit this GPU .*13\.0 GiB.*11\.6 GiB.* Choose gemma-3-12b-it\.$/),
    });
    // Even if the operator insists: the weights are larger than the card.
    expect(choose('gpt-oss-20b', { gpu: 'rtx-3060', engine: { max_model_len: 1024 } }).kind).toBe('refused');
    expect(choose('gpt-oss-20b', { gpu: 'rtx-3060', engine: { cpu_offload_gb: 6 } }).kind).toBe('run');
  });
});

describe('what can never run', () => {
  const T4 = { gpu: 't4', card: { name: 'Tesla T4' } };

  test.each([
    ['gemma-3-12b-it', /^gemma-3-12b-it cannot run on this GPU \(Tesla T4\): .*float16.*bfloat16\. Choose qwen2\.5-14b-instruct\.$/],
    ['gpt-oss-20b', /mxfp4 weights need compute capability 8\.0 and this GPU has 7\.5\. Choose qwen2\.5-14b-instruct\.$/],
  ])('such as %s on a T4 is refused with the reason and the nearest model that works', (id, reason) => {
    expect(choose(id, T4)).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });

  test.each([
    [{ dtype: 'bfloat16' }, 't4', LLAMA, /bfloat16 needs compute capability 8\.0.*dtype: half/],
    [{ kv_cache_dtype: 'fp8' }, 't4', LLAMA, /fp8 KV cache: use int8_per_token_head/],
    [{ kv_cache_dtype: 'fp8_e4m3' }, 'rtx-3090', 'gpt-oss-20b', /sinks an fp8 KV cache needs compute capability 8\.9/],
    [{ dtype: 'half' }, 'l4', 'gemma-3-12b-it', /numerically unstable in float16/],
  ])('such as %o on %s with %s is refused', (engine, gpu, id, reason) => {
    expect(choose(id, { gpu, engine, around: {} })).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });

  test('is refused by its name where the registry does not know it', () => {
    expect(choose('mine', { ...T4, source: 'someone/gemma-3-4b-awq' })).toMatchObject({ kind: 'refused' });
    expect(choose('mine', { ...T4, source: 'someone/llama-awq' })).toMatchObject({ kind: 'run', fit: null });
  });

  test('is not what only runs in another way', () => {
    expect(run(LLAMA, { gpu: 'rtx-3090' }).notes).toEqual([expect.stringContaining('FP8 weights save memory but not time')]);
    expect(run(LLAMA, { gpu: 'l4', engine: { kv_cache_dtype: 'fp8' } }).notes).toEqual([]);
    expect(run(LLAMA, { gpu: 'rtx-a4000', engine: { kv_cache_dtype: 'fp8' } }).notes.join()).toContain('FlashInfer');
    expect(run(LLAMA, { gpu: 't4', engine: { kv_cache_dtype: 'int8_per_token_head' } }).fit?.verdict).toBe('fits');
  });

  test('is every model on a card older than vLLM’s builds', () => {
    expect(choose(LLAMA, { card: { memoryGib: 31, computeCap: 7 } })).toMatchObject({ reason: expect.stringContaining('7.5 or newer') });
  });
});

describe('several GPUs', () => {
  const pair = (count: number, more: Partial<CardFacts> = {}) => ({ gpu: 'l4', card: { count, ...more } });
  const sizes = ({ engine }: RunChoice) => [engine['tensor_parallel_size'] ?? 1, engine['pipeline_parallel_size'] ?? 1];

  test('are used as gpu_mode says, which vLLM never sees', () => {
    const mode = (gpu_mode: string, count = 4) => run('qwen2.5-14b-instruct', { ...pair(count), engine: { gpu_mode } });
    for (const name of ['single', 'tensor', 'pipeline', 'auto']) expect(mode(name).engine).not.toHaveProperty('gpu_mode');
    expect(['single', 'tensor', 'pipeline', 'auto'].map((name) => sizes(mode(name)))).toEqual([
      [1, 1],
      [4, 1],
      [1, 4],
      [1, 1],
    ]);
    // 40 heads cannot be divided by 3.
    expect(sizes(mode('tensor', 3))).toEqual([2, 1]);
    expect(sizes(mode('tensor', 1))).toEqual([1, 1]);
  });

  test('are as few as the model needs when that is left to us', () => {
    const small = { gpu: 'generic', card: { memoryGib: 7.5, computeCap: 8.6, count: 4 }, engine: { gpu_mode: 'auto' } };
    expect(sizes(run('qwen2.5-1.5b-instruct-awq', small))).toEqual([1, 1]);
    expect(sizes(run('qwen2.5-14b-instruct', small))).toEqual([2, 1]);
    expect(sizes(run('gpt-oss-20b', { ...small, card: { ...small.card, count: 3 } }))).toEqual([1, 3]);
  });

  test('talk over loopback, and NCCL says what fails', () => {
    expect(run(LLAMA, { ...pair(2), engine: { gpu_mode: 'tensor' } }).env).toMatchObject({ NCCL_DEBUG: 'WARN', NCCL_SOCKET_IFNAME: 'lo' });
    expect(run(LLAMA, pair(2)).env).not.toHaveProperty('NCCL_DEBUG');
  });
});

describe('the installed vLLM', () => {
  const flags = new Set([
    '--gpu-memory-utilization',
    '--max-num-seqs',
    '--max-num-batched-tokens',
    '--max-model-len',
    '--dtype',
    '--tool-call-parser',
  ]);
  const vllm = { path: '/usr/bin/vllm', version: '0.19.1', cuda: null, cpu: false, flags };
  const around = { others, vllm };

  test('is spared flags of a profile that it does not have yet', () => {
    const choice = run(LLAMA, { gpu: 't4', around });
    expect(choice.engine).not.toHaveProperty('max_cudagraph_capture_size');
    expect(choice.engine).toMatchObject({ dtype: 'half' });
    expect(choice.notes).toContain('vLLM 0.19.1 has no --max-cudagraph-capture-size yet, so it is left out.');
  });

  test('is never given a flag of the operator’s that it does not have', () => {
    const reason = 'vLLM 0.19.1 has no flag --max-num-sequences; did you mean --max-num-seqs?';
    expect(choose(LLAMA, { gpu: 't4', around, engine: { max_num_sequences: 3 } })).toEqual({ kind: 'refused', reason });
  });

  test('is given what stands in the JSON of a flag that it has', () => {
    const engine = { 'dtype.some_place': 1 };
    expect(run(LLAMA, { gpu: 't4', engine, around }).engine).toMatchObject(engine);
  });

  test('is given anything where it could not be asked, except what no vLLM has any more', () => {
    expect(run(LLAMA, { gpu: 't4', engine: { something_new: 1 } }).engine).toMatchObject({ something_new: 1 });
    for (const key of ['swap_space', 'swap-space'])
      expect(choose(LLAMA, { gpu: 't4', engine: { [key]: 4 } })).toMatchObject({
        kind: 'refused',
        reason: expect.stringContaining('kv_offloading_size'),
      });
    const old = { ...vllm, flags: new Set([...flags, '--swap-space']) };
    expect(run(LLAMA, { gpu: 't4', engine: { swap_space: 4 }, around: { vllm: old } }).engine).toMatchObject({ swap_space: 4 });
  });
});
