import { describe, expect, test } from 'vitest';
import { findGpu } from '../../../../supervisor/sim/card/find-gpu.ts';
import { isMemoryFailure } from '../../../../supervisor/sim/card/memory-plan.ts';
import type { MemoryFailure } from '../../../../supervisor/sim/card/memory-failure.ts';
import type { MemoryPlan } from '../../../../supervisor/sim/card/memory.ts';
import { memoryReport } from './memory-report.ts';
import type { Knob } from './memory-report.ts';
import { describeModel } from '../../../../supervisor/sim/model/describe-model.ts';
import { readSettings } from '../../../../supervisor/sim/settings/settings.ts';
import { planMemory } from './plan-memory.ts';

/** What a start with these flags on this card finds. */
function plan(gpu: string, model: string, flags = ''): MemoryPlan | MemoryFailure {
  const settings = readSettings([model, ...flags.split(' ').filter(Boolean)], { SIM_GPU: gpu });
  return planMemory(settings.gpu, settings.spec, settings.memory);
}

/** Flags as the table of what fits writes them: l max_model_len, t max_num_batched_tokens, s max_num_seqs, u gpu_memory_utilization. */
function flagsOf(short: string): string {
  return short
    .replace(/\bl(?=\d)/, '--max-model-len ')
    .replace(/\bt(?=\d)/, '--max-num-batched-tokens ')
    .replace(/\bs(?=\d)/, '--max-num-seqs ')
    .replace(/\bu(?=\.)/, '--gpu-memory-utilization 0')
    .replace('eager', '--enforce-eager')
    .replace('text', '--language-model-only');
}

const GEMMA = 'google/gemma-3-12b-it';
const GPT_OSS = 'openai/gpt-oss-20b';
const MISTRAL = 'mistralai/Mistral-7B-Instruct-v0.3';
const QWEN_14B = 'Qwen/Qwen2.5-14B-Instruct';
const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct';
const QWEN_1B = 'Qwen/Qwen2.5-1.5B-Instruct-AWQ';

describe('what fits on which card', () => {
  // Full-length requests that fit at once, worked out by hand from vLLM's own budget and calibrated on published logs.
  test.each([
    ['l4', `${GEMMA}-FP8-dynamic`, 'l8192 t1024 s8', 4.2],
    ['rtx-a4000', `${GEMMA}-FP8-dynamic`, 'l2048 t512 s4 u.97 eager', 1.5],
    ['l4', `${GEMMA}-AWQ`, 'l8192 t1024 s16 text', 8.7],
    ['rtx-a4000', `${GEMMA}-AWQ`, 'l8192 t1024 s8 text', 4.6],
    ['rtx-3060', `${GEMMA}-AWQ`, 'l4096 t512 s4 u.90 text', 3.2],
    ['rtx-4080', `${GEMMA}-AWQ`, 'l8192 t1024 s8 text', 4.6],
    ['l4', GPT_OSS, 'l32768 t2048 s32', 7.7],
    ['rtx-a4000', GPT_OSS, 'l8192 t1024 s8 u.95', 5.3],
    ['rtx-4080', GPT_OSS, 'l8192 t1024 s8 u.95', 5.3],
    ['rtx-4080', GPT_OSS, 'l8192 t1024 s8', 3.4],
    ['l4', MISTRAL, 'l8192 s32', 6],
    ['rtx-a4000', MISTRAL, 'l4096 t512 s4 u.96 eager', 2.2],
    ['t4', `${MISTRAL}-AWQ`, 'l8192 s16', 8.8],
    ['l4', `${MISTRAL}-AWQ`, 'l32768 s64', 3.9],
    ['rtx-a4000', `${MISTRAL}-AWQ`, 'l8192 s32', 9.7],
    ['rtx-3060', `${MISTRAL}-AWQ`, 'l8192 s16 u.90', 5.8],
    ['rtx-4080', `${MISTRAL}-AWQ`, 'l8192 s32', 9.7],
    ['t4', `${QWEN_14B}-AWQ`, 'l4096 t1024 s8', 4.7],
    ['l4', `${QWEN_14B}-AWQ`, 'l8192 s32', 6.7],
    ['rtx-a4000', `${QWEN_14B}-AWQ`, 'l8192 s16', 2.8],
    ['rtx-3060', `${QWEN_14B}-AWQ`, 'l2048 t512 s4 u.95 eager', 3.6],
    ['l4', LLAMA, 'l8192 s32', 4.5],
    ['t4', `${LLAMA}-FP8`, 'l8192 t1024 s8', 4.4],
    ['l4', `${LLAMA}-FP8`, 'l16384 s64', 5.4],
    ['rtx-3060', `${LLAMA}-FP8`, 'l4096 t1024 s8', 3.2],
    ['rtx-4080', `${LLAMA}-FP8`, 'l8192 s16', 5.1],
    ['t4', `${LLAMA}-AWQ`, 'l8192 s16', 7.3],
    ['rtx-a4000', `${LLAMA}-AWQ`, 'l8192 s32', 8.2],
    ['rtx-3060', `${LLAMA}-AWQ`, 'l8192 s16 u.90', 4.3],
    ['t4', QWEN_1B, 'l32768 s64', 13],
    ['rtx-a4000', QWEN_1B, 'l32768 s64', 14],
    ['rtx-3060', QWEN_1B, 'l32768 s64 u.90', 9.7],
  ])('%s runs %s with %s and has room for %d such requests', (gpu, model, flags, expected) => {
    const found = plan(gpu, model, flagsOf(flags));
    if (isMemoryFailure(found)) throw new Error(found.message);
    expect(found.kvCacheTokens / found.maxModelLen).toBeCloseTo(expected, 0);
    expect(found.kvCacheTokens / found.maxModelLen / expected).toBeCloseTo(1, 1);
  });

  test.each([
    ['rtx-4080', GEMMA, 'l8192 s8'],
    ['rtx-4080', `${GEMMA}-FP8-dynamic`, 'l8192 t1024 s8'],
    ['rtx-3060', GPT_OSS, 'l8192 t1024 s8'],
    ['t4', MISTRAL, 'l8192 s16'],
    ['rtx-a4000', MISTRAL, 'l8192 s32'],
    ['l4', QWEN_14B, 'l4096 s4'],
    ['rtx-4080', LLAMA, 'l8192 s32'],
    ['gtx-1650', QWEN_1B, 'l2048 t12288 s192 u.85'],
    ['gtx-1650', QWEN_1B, 'l2048 t16384 s256 u.85'],
  ])('%s does not run %s with %s', (gpu, model, flags) => {
    expect(isMemoryFailure(plan(gpu, model, flagsOf(flags)))).toBe(true);
  });
});

describe('what fails for want of memory', () => {
  const cases: [string, string, string, string, Record<string, string>, Knob[]][] = [
    ['oom-weights', 'rtx-4080', GEMMA, 'l8192', {}, ['quantization']],
    ['oom-profile', 'rtx-4080', MISTRAL, 'l4096 t16384 s4 u.95', {}, ['max_num_batched_tokens', 'cpu_offload_gb', 'quantization']],
    ['oom-sampler', 'gtx-1650', QWEN_1B, 'l2048 s1024 u.85', {}, ['max_num_seqs']],
    ['oom-kv', 'rtx-4080', `${GEMMA}-FP8-dynamic`, 'l2048 t8192 s4 u.95', {}, ['language_model_only', 'cpu_offload_gb', 'quantization']],
    [
      'oom-kv',
      'gtx-1650',
      QWEN_1B,
      'l2048 t12288 s192 u.85',
      {},
      ['max_num_seqs', 'max_num_batched_tokens', 'max_cudagraph_capture_size', 'enforce_eager', 'cpu_offload_gb'],
    ],
    ['kv-too-small', 't4', `${LLAMA}-AWQ`, 'l131072', {}, ['max_model_len']],
    ['kv-too-small', 'rtx-4080', `${LLAMA}-AWQ`, 'l98304 s16', {}, ['max_model_len', 'kv_cache_dtype', 'cpu_offload_gb']],
    [
      'oom-graph',
      'rtx-4080',
      `${LLAMA}-AWQ`,
      'l8192',
      { SIM_GRAPH_FACTOR: '3' },
      ['max_num_seqs', 'lower_utilization', 'max_cudagraph_capture_size', 'enforce_eager'],
    ],
    [
      'oom-graph',
      'rtx-a4000',
      `${QWEN_14B}-AWQ`,
      'l8192',
      { VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS: '0' },
      ['max_num_seqs', 'max_cudagraph_capture_size', 'enforce_eager'],
    ],
    ['oom-graph', 'rtx-a4000', `${QWEN_14B}-AWQ`, 'l8192 u.97', {}, ['max_num_seqs', 'max_cudagraph_capture_size', 'enforce_eager']],
  ];
  test.each(cases)('%s on %s of %s with %s %o is cured by the right knobs and by no other', (kind, gpu, model, flags, env, cures) => {
    const report = memoryReport([model, ...flagsOf(flags).split(' ')], { SIM_GPU: gpu, ...env });
    expect(report.outcome).toMatchObject({ kind });
    expect(report.cures).toEqual(cures);
  });

  test('a share of the card that is not free is refused before anything is loaded, and only a smaller share helps', () => {
    const report = memoryReport([`${LLAMA}-AWQ`, '--max-model-len', '8192'], { SIM_GPU: 'rtx-4080' }, 3);
    expect(report.outcome).toMatchObject({ kind: 'busy-vram' });
    expect((report.outcome as MemoryFailure).message).toBe(
      'ValueError: Free memory on device cuda:0 (12.22/15.57 GiB) on startup is less than desired GPU memory utilization (0.92, 14.32 GiB). ' +
        'Decrease GPU memory utilization or reduce GPU memory used by other processes.',
    );
    expect(report.cures).toEqual(['lower_utilization']);
    expect(plan('rtx-4080', 'sim-1B', '--gpu-memory-utilization 0.99')).toMatchObject({ kind: 'busy-vram' });
  });

  test('graphs that are captured in one way only are half of them', () => {
    const graphs = (flags: string): number => (plan('l4', `${LLAMA}-AWQ`, `--max-model-len 8192 ${flags}`) as MemoryPlan).graphsEstimateGib;
    expect(graphs('-O1') - 0.1).toBeCloseTo((graphs('') - 0.1) / 2);
    expect(graphs('-cc.cudagraph_mode=PIECEWISE')).toBeCloseTo(graphs('-O1'));
    expect(graphs('-O0')).toBe(0);
  });

  test('a context that does not fit names the longest that does, and that one fits', () => {
    const model = `${LLAMA}-AWQ`;
    const result = plan('t4', model, '--max-model-len 131072') as MemoryFailure;
    const longest = Number(/estimated maximum model length is (\d+)\./.exec(result.message)![1]);
    expect(isMemoryFailure(plan('t4', model, `--max-model-len ${longest}`))).toBe(false);
    expect(isMemoryFailure(plan('t4', model, `--max-model-len ${longest + 16}`))).toBe(true);
    expect(plan('t4', model, '--max-model-len auto')).toMatchObject({ maxModelLen: longest });
  });

  test('fewer tokens a step make a longer context fit where attention slides', () => {
    const gemma = (tokens: number): MemoryPlan | MemoryFailure =>
      plan('rtx-3060', `${GEMMA}-AWQ`, `--language-model-only --max-num-seqs 4 --max-model-len 24000 --max-num-batched-tokens ${tokens}`);
    expect(gemma(4096)).toMatchObject({ kind: 'kv-too-small' });
    expect(isMemoryFailure(gemma(1024))).toBe(false);
  });

  test('a KV cache of a given size that is too large fails when it is allocated', () => {
    expect(plan('rtx-4080', `${LLAMA}-AWQ`, '--kv-cache-memory-bytes 12G --max-model-len 8192')).toMatchObject({
      kind: 'oom-kv-allocation',
    });
  });

  test('a model spread over two cards takes half of the room on each', () => {
    expect(plan('t4', MISTRAL, '--max-model-len 8192')).toMatchObject({ kind: 'oom-kv' });
    expect(plan('t4', MISTRAL, '--max-model-len 8192 --tensor-parallel-size 2')).toMatchObject({ weightsGib: 6.75 });
  });
});

describe('what a name says of a model', () => {
  test.each([
    ['Qwen/Qwen2.5-1.5B-Instruct-AWQ', 1.54, '4-bit'],
    ['someone/Thing-14b-GPTQ', 14, '4-bit'],
    ['someone/Thing-7B-FP8-dynamic', 7, '8-bit'],
    ['openai/gpt-oss-20b', 20.9, 'mxfp4'],
    ['google/gemma-3-12b-it', 12.19, '16-bit'],
    ['someone/Tiny-500M', 0.5, '16-bit'],
    ['tiny', 1, '16-bit'],
  ])('%s has %d billion parameters at %s', (name, parametersB, format) => {
    expect(describeModel(name, null)).toMatchObject({ parametersB, format });
  });

  test('the --quantization flag counts as well', () => {
    expect(describeModel('someone/Thing-7B', 'awq').format).toBe('4-bit');
  });
});

test('a card that nobody knows is not guessed at', () => {
  expect(findGpu('voodoo2')).toBeUndefined();
  expect(findGpu(undefined)?.id).toBe('sim');
});
