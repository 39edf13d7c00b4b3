import { describe, expect, test } from 'vitest';
import type { Fit } from '../../../supervisor/fit/fit.ts';
import { estimateFit, loadedWeightsGib } from '../../../supervisor/fit/fit.ts';
import { readFitFlags } from '../../../supervisor/fit/flags.ts';
import type { EngineSettings } from '../../../supervisor/profile/profile.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';

const { models } = loadProfiles();

// What CUDA divides on each card, GiB.
const CARDS = { t4: 14.56, l4: 22.05, a4000: 15.55, 3060: 11.55, 4080: 15.57, '4gb': 3.65 } as const;
type Card = `${keyof typeof CARDS}`;

function fit(name: string, variantName: string, card: Card, engine: EngineSettings): Fit {
  const model = models.get(name)!;
  const variant = model.variants.find((each) => each.name === variantName)!;
  const weightsGib = loadedWeightsGib(model.shape, variant.weights_gib, engine['language_model_only'] === true);
  const memoryGib = CARDS[card];
  const flags = readFitFlags(engine, { memoryGib, computeCap: null });
  return estimateFit({ shape: model.shape, weightsGib, maxContext: model.max_context }, flags, memoryGib);
}

interface Asked {
  /** gpu_memory_utilization; 0.92 unless said. */
  readonly u?: number;
  readonly T?: number;
  readonly S?: number;
  readonly len: number;
  readonly eager?: true;
  readonly text?: true;
}

function toEngine({ u = 0.92, T = 2048, S = 16, len, eager, text }: Asked): EngineSettings {
  return {
    gpu_memory_utilization: u,
    max_num_batched_tokens: T,
    max_num_seqs: S,
    max_model_len: len,
    ...(eager ? { enforce_eager: true } : {}),
    ...(text ? { language_model_only: true } : {}),
  };
}

const GEMMA = 'gemma-3-12b-it';
const OSS = 'gpt-oss-20b';
const MISTRAL = 'mistral-7b-instruct';
const QWEN = 'qwen2.5-14b-instruct';
const LLAMA = 'llama-3.1-8b-instruct';
const SMALL = 'qwen2.5-1.5b-instruct-awq';

// The worked table of what fits which card: requests of the full length that a headless card holds at once, computed by hand from the
// same public dimensions. It agrees with the arithmetic here to the digits that it gives (5 %), with the image encoder loaded wherever
// it does not say "text only". Its "tight" for Gemma 3 on the 3060 is about how little was asked for; what was asked for fits well.
const HOLDS: readonly (readonly [string, string, Card, Asked, number, Fit['verdict']])[] = [
  [GEMMA, 'fp8', 'l4', { len: 8192, T: 1024, S: 8 }, 4.2, 'fits'],
  [GEMMA, 'fp8', 'a4000', { len: 2048, T: 512, S: 1, u: 0.97, eager: true }, 1.5, 'tight'],
  [GEMMA, 'fp8', '4080', { len: 2048, T: 512, S: 1, u: 0.97, eager: true }, 1.55, 'tight'],
  [GEMMA, 'w4a16', 'l4', { len: 8192, T: 1024, S: 16, text: true }, 8.7, 'fits'],
  [GEMMA, 'w4a16', 'a4000', { len: 8192, T: 1024, S: 8, text: true }, 4.6, 'fits'],
  [GEMMA, 'w4a16', '3060', { len: 4096, T: 512, S: 4, u: 0.9, text: true }, 3.2, 'fits'],
  [GEMMA, 'w4a16', '4080', { len: 8192, T: 1024, S: 8, text: true }, 4.6, 'fits'],
  [OSS, 'mxfp4', 'l4', { len: 32768, S: 32 }, 7.7, 'fits'],
  [OSS, 'mxfp4', 'a4000', { len: 8192, T: 1024, S: 8, u: 0.95 }, 5.2, 'tight'],
  [OSS, 'mxfp4', '4080', { len: 8192, T: 1024, S: 8, u: 0.95 }, 5.2, 'tight'],
  [OSS, 'mxfp4', '4080', { len: 8192, T: 1024, S: 8 }, 3.4, 'fits'],
  [MISTRAL, 'bf16', 'l4', { len: 8192, S: 32 }, 6, 'fits'],
  [MISTRAL, 'bf16', 'a4000', { len: 4096, T: 512, S: 4, u: 0.96, eager: true }, 2.2, 'tight'],
  [MISTRAL, 'bf16', '4080', { len: 4096, T: 512, S: 4, u: 0.96, eager: true }, 2.2, 'tight'],
  [MISTRAL, 'awq', 't4', { len: 8192, S: 16 }, 8.8, 'fits'],
  [MISTRAL, 'awq', 'l4', { len: 32768, S: 64 }, 3.9, 'fits'],
  [MISTRAL, 'awq', 'l4', { len: 8192, S: 64 }, 15.6, 'fits'],
  [MISTRAL, 'awq', 'a4000', { len: 8192, S: 32 }, 9.7, 'fits'],
  [MISTRAL, 'awq', '3060', { len: 8192, S: 16, u: 0.9 }, 5.8, 'fits'],
  [MISTRAL, 'awq', '4080', { len: 8192, S: 32 }, 9.7, 'fits'],
  [QWEN, 'awq', 't4', { len: 4096, T: 1024, S: 8 }, 4.7, 'fits'],
  [QWEN, 'awq', 'l4', { len: 8192, S: 32 }, 6.7, 'fits'],
  [QWEN, 'awq', 'a4000', { len: 8192, S: 16 }, 2.8, 'fits'],
  [QWEN, 'awq', '3060', { len: 2048, T: 512, S: 4, u: 0.95, eager: true }, 3.6, 'tight'],
  [QWEN, 'awq', '4080', { len: 8192, S: 16 }, 2.8, 'fits'],
  [LLAMA, 'bf16', 'l4', { len: 8192, S: 32 }, 4.5, 'fits'],
  [LLAMA, 'fp8', 't4', { len: 8192, T: 1024, S: 8 }, 4.4, 'fits'],
  [LLAMA, 'fp8', 'l4', { len: 16384, S: 64 }, 5.4, 'fits'],
  [LLAMA, 'fp8', 'a4000', { len: 8192, S: 16 }, 5.1, 'fits'],
  [LLAMA, 'fp8', '3060', { len: 4096, T: 1024, S: 8 }, 3.2, 'fits'],
  [LLAMA, 'fp8', '4080', { len: 8192, S: 16 }, 5.1, 'fits'],
  [LLAMA, 'awq', 't4', { len: 8192, S: 16 }, 7.3, 'fits'],
  [LLAMA, 'awq', 'l4', { len: 16384, S: 64 }, 7, 'fits'],
  [LLAMA, 'awq', 'a4000', { len: 8192, S: 32 }, 8.2, 'fits'],
  [LLAMA, 'awq', '3060', { len: 8192, S: 16, u: 0.9 }, 4.3, 'fits'],
  [LLAMA, 'awq', '4080', { len: 8192, S: 32 }, 8.2, 'fits'],
  [SMALL, 'awq', 't4', { len: 32768, S: 64 }, 13, 'fits'],
  [SMALL, 'awq', 'l4', { len: 32768, S: 128 }, 20.6, 'fits'],
  [SMALL, 'awq', 'a4000', { len: 32768, S: 64 }, 14, 'fits'],
  [SMALL, 'awq', '3060', { len: 32768, S: 64, u: 0.9 }, 9.7, 'fits'],
  [SMALL, 'awq', '4080', { len: 32768, S: 64 }, 14, 'fits'],
];

describe('what a card holds', () => {
  test.each(HOLDS)('%s %s on %s with %o is %f requests', (name, variant, card, asked, concurrency, verdict) => {
    const result = fit(name, variant, card, toEngine(asked));
    expect(result.concurrency / concurrency).toBeGreaterThan(0.95);
    expect(result.concurrency / concurrency).toBeLessThan(1.05);
    expect(result).toMatchObject({ verdict, cause: null, contextTokens: asked.len });
    expect(result.largestContextTokens).toBeGreaterThanOrEqual(asked.len);
  });
});

// With every setting as small as it may be.
const LEAST: Asked = { len: 2048, T: 512, S: 2, u: 0.97, eager: true };

const FAILS: readonly (readonly [string, string, Card, Asked, Fit['cause']])[] = [
  ...(['t4', 'l4', 'a4000', '3060', '4080'] as const).map((card) => [GEMMA, 'bf16', card, LEAST, 'weights'] as const),
  ...(['t4', 'l4', 'a4000', '3060', '4080'] as const).map((card) => [QWEN, 'bf16', card, LEAST, 'weights'] as const),
  [GEMMA, 'fp8', 'a4000', { len: 8192 }, 'kv-zero'],
  [GEMMA, 'fp8', '4080', { len: 8192 }, 'kv-zero'],
  [GEMMA, 'fp8', '3060', LEAST, 'weights'],
  [OSS, 'mxfp4', '3060', LEAST, 'weights'],
  [MISTRAL, 'bf16', 't4', { ...LEAST, u: 0.96 }, 'kv-too-small'],
  [MISTRAL, 'bf16', '3060', LEAST, 'weights'],
  [LLAMA, 'bf16', 't4', LEAST, 'weights'],
  [LLAMA, 'bf16', 'a4000', LEAST, 'weights'],
  [LLAMA, 'bf16', '4080', LEAST, 'kv-zero'],
  [LLAMA, 'bf16', '3060', LEAST, 'weights'],
];

test.each(FAILS)('%s %s does not fit %s with %o, because of %s', (name, variant, card, asked, cause) => {
  expect(fit(name, variant, card, toEngine(asked))).toMatchObject({ verdict: 'no', cause });
});

describe('a card of 4 GB', () => {
  test.each([
    [{ T: 1024, S: 8, eager: true }, 63_000],
    [{ T: 4096, S: 64 }, 39_000],
    [{ T: 8192, S: 128 }, 16_000],
  ] as const)('with %o holds %i tokens of a model of 1.5 billion parameters', (asked, tokens) => {
    const result = fit(SMALL, 'awq', '4gb', toEngine({ len: 2048, u: 0.85, ...asked }));
    expect(result.cacheTokens / tokens).toBeGreaterThan(0.97);
    expect(result.cacheTokens / tokens).toBeLessThan(1.03);
  });

  test.each([
    { T: 12_288, S: 192 },
    { T: 16_384, S: 256 },
  ])('with %o holds none', (asked) => {
    expect(fit(SMALL, 'awq', '4gb', toEngine({ len: 2048, u: 0.85, ...asked }))).toMatchObject({ verdict: 'no', cause: 'kv-zero' });
  });
});

describe('a fit says', () => {
  test('how long a context may be where the one that was asked for does not fit', () => {
    const short = fit(LLAMA, 'fp8', '3060', toEngine({ len: 32_768, T: 1024, S: 8 }));
    expect(short).toMatchObject({ verdict: 'no', cause: 'kv-too-small' });
    expect(short.reason).toContain(`${short.largestContextTokens} tokens fit`);
    const asked = { T: 1024, S: 8, len: short.largestContextTokens };
    expect(fit(LLAMA, 'fp8', '3060', toEngine(asked)).verdict).not.toBe('no');
    expect(fit(LLAMA, 'fp8', '3060', toEngine({ ...asked, len: asked.len + 16 })).verdict).toBe('no');
  });

  test('the context that fits where that was left to vLLM', () => {
    const auto = fit(LLAMA, 'fp8', '3060', { ...toEngine({ len: 1, T: 1024, S: 8 }), max_model_len: 'auto' });
    expect(auto.verdict).not.toBe('no');
    expect(auto.contextTokens).toBe(auto.largestContextTokens);
    expect(auto.concurrency).toBeGreaterThanOrEqual(1);
  });

  test('the least utilization that does', () => {
    const { leastUtilization } = fit(LLAMA, 'fp8', '4080', toEngine({ len: 8192 }));
    expect(leastUtilization).toBeLessThan(0.92);
    expect(fit(LLAMA, 'fp8', '4080', toEngine({ len: 8192, u: leastUtilization })).verdict).not.toBe('no');
    expect(fit(LLAMA, 'fp8', '4080', toEngine({ len: 8192, u: leastUtilization - 0.02 })).verdict).toBe('no');
  });
});

describe('a setting', () => {
  const base = toEngine({ len: 8192 });
  const kv = (engine: EngineSettings, name = LLAMA, variant = 'fp8') => fit(name, variant, '4080', engine).budget;

  test('of the cache’s type makes a request smaller, not the cache larger', () => {
    for (const [dtype, share] of [
      ['fp8', 0.5],
      ['int8_per_token_head', (128 + 4) / 256],
      ['auto', 1],
    ] as const) {
      const budget = kv({ ...base, kv_cache_dtype: dtype });
      expect(budget.requestGib).toBeCloseTo(kv(base).requestGib * share, 6);
      expect(budget.kvCacheGib).toBe(kv(base).kvCacheGib);
    }
  });

  test('of the batch shrinks what a sliding window reserves, and asynchronous scheduling doubles it', () => {
    const gib = (T: number, more: EngineSettings = {}) => kv({ ...toEngine({ len: 8192, T }), ...more }, GEMMA, 'w4a16').requestGib;
    for (const [T, expected] of [
      [8192, 3],
      [2048, 2.07],
      [1024, 1.44],
      [512, 1.13],
    ] as const)
      expect(gib(T)).toBeCloseTo(expected, 1);
    expect(gib(2048, { async_scheduling: false })).toBeCloseTo(gib(1024), 6);
    expect(gib(1024, { disable_hybrid_kv_cache_manager: true })).toBeCloseTo((8192 * 6 * 64 * 1024) / 2 ** 30, 6);
  });

  test('of a mixture of experts counts the experts at work only', () => {
    const oss = fit(OSS, 'mxfp4', 'l4', toEngine({ len: 8192, T: 1024, S: 8 })).budget;
    expect(oss.activationsGib).toBeCloseTo((1024 * (3 * 4 * 2880 + 6 * 2880) * 2 + 8 * 201_088 * 22) / 2 ** 30, 6);
  });

  test.each([
    [{}, 51],
    [{ max_num_seqs: 8 }, 5],
    [{ max_cudagraph_capture_size: 32 }, 7],
    [{ cudagraph_capture_sizes: [1, 2, 4] }, 3],
    [{ enforce_eager: true }, 0],
    [{ optimization_level: 0 }, 0],
    [{ max_num_batched_tokens: 64, max_num_seqs: 64 }, 11],
  ] as const)('such as %o captures graphs for %i sizes', (engine, sizes) => {
    expect(readFitFlags(engine, { memoryGib: 24, computeCap: 8.6 }).captureSizes).toBe(sizes);
  });

  test('is read as vLLM reads it, and is its own where none is given', () => {
    const read = (engine: EngineSettings, memoryGib = 24, computeCap = 8.6) => readFitFlags(engine, { memoryGib, computeCap });
    expect([8192, '8K', '8k', 'auto', -1, null].map((len) => read({ max_model_len: len }).maxModelLen)).toEqual([
      8192,
      8192,
      8000,
      'auto',
      'auto',
      null,
    ]);
    const batch = (memoryGib: number, cap: number) => {
      const { maxNumSeqs, maxNumBatchedTokens, utilization } = read({}, memoryGib, cap);
      return [maxNumSeqs, maxNumBatchedTokens, utilization];
    };
    expect(batch(23, 8.6)).toEqual([256, 2048, 0.92]);
    expect(batch(79, 9)).toEqual([1024, 8192, 0.92]);
    expect(batch(79, 8)).toEqual([256, 2048, 0.92]);
    expect(batch(180, 10)).toEqual([1024, 16_384, 0.92]);
  });
});

describe('several GPUs', () => {
  test('share weights and cache, and pay for talking to each other', () => {
    const one = toEngine({ len: 8192 });
    const two = fit(QWEN, 'bf16', 'l4', { ...one, tensor_parallel_size: 2 });
    expect(fit(QWEN, 'bf16', 'l4', one).verdict).toBe('no');
    expect(two.verdict).toBe('fits');
    expect(two.budget.weightsGib).toBeCloseTo(27.5 / 2, 6);
    expect(two.budget.otherGib).toBeGreaterThan(0.5);
    expect(two.budget.requestGib).toBeCloseTo(fit(QWEN, 'bf16', 'l4', one).budget.requestGib / 2, 6);
    const staged = fit(QWEN, 'bf16', 'l4', { ...one, pipeline_parallel_size: 2 });
    expect(staged.budget.requestGib).toBeCloseTo(two.budget.requestGib, 6);
  });

  test('each keep a whole head where there are more of them than heads', () => {
    const one = fit(SMALL, 'awq', 'l4', toEngine({ len: 8192 })).budget.requestGib;
    expect(fit(SMALL, 'awq', 'l4', { ...toEngine({ len: 8192 }), tensor_parallel_size: 4 }).budget.requestGib).toBeCloseTo(one / 2, 6);
  });
});

test('multi-head latent attention keeps one vector for all heads', () => {
  const model = models.get(LLAMA)!;
  const shape = { ...model.shape, layers: 61, mla: { kv_lora_rank: 512, rope_head_dim: 64 } };
  const flags = readFitFlags({ max_model_len: 16 }, { memoryGib: 80, computeCap: 9 });
  const { budget } = estimateFit({ shape, weightsGib: 10, maxContext: 4096 }, flags, 80);
  expect(budget.requestGib * 2 ** 30).toBeCloseTo(16 * 61 * 576 * 2, 0);
});
