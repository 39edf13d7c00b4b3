import { describe, expect, test } from 'vitest';
import { findGpu } from '../../../supervisor/sim/hardware.ts';
import { isMemoryFailure, planMemory } from '../../../supervisor/sim/memory-plan.ts';
import type { MemoryFailure } from '../../../supervisor/sim/memory-failure.ts';
import type { MemoryPlan } from '../../../supervisor/sim/memory.ts';
import { describeModel } from '../../../supervisor/sim/models.ts';
import { readSettings } from '../../../supervisor/sim/settings.ts';

/** What a start with these flags on this card finds. */
function plan(gpu: string, model: string, flags = ''): MemoryPlan | MemoryFailure {
  const settings = readSettings([model, ...flags.split(' ').filter(Boolean)], { SIM_GPU: gpu });
  return planMemory(settings.gpu, settings.spec, settings.memory);
}

function concurrency(result: MemoryPlan | MemoryFailure): number {
  if (isMemoryFailure(result)) throw new Error(result.message);
  return result.kvCacheTokens / result.maxModelLen;
}

describe('the memory of a start', () => {
  // Full-length requests that fit at once, from the arithmetic of vLLM's own budget worked out by hand.
  test.each([
    ['t4', 'mistralai/Mistral-7B-Instruct-v0.3-AWQ', '--max-model-len 8192 --max-num-seqs 16', 8.8],
    ['rtx-3060', 'mistralai/Mistral-7B-Instruct-v0.3-AWQ', '--max-model-len 8192 --max-num-seqs 16 --gpu-memory-utilization 0.90', 5.8],
    ['l4', 'openai/gpt-oss-20b', '--max-model-len 32768 --max-num-seqs 32', 7.7],
    ['rtx-4080', 'Qwen/Qwen2.5-14B-Instruct-AWQ', '--max-model-len 8192 --max-num-seqs 16', 2.8],
    ['rtx-a4000', 'meta-llama/Llama-3.1-8B-Instruct-FP8', '--max-model-len 8192 --max-num-seqs 16', 5.1],
    ['t4', 'Qwen/Qwen2.5-1.5B-Instruct-AWQ', '--max-model-len 32768 --max-num-seqs 64', 13],
  ])('%s runs %s %s with room for about %d long requests', (gpu, model, flags, expected) => {
    const found = concurrency(plan(gpu, model, flags));
    expect(found).toBeGreaterThan(expected * 0.85);
    expect(found).toBeLessThan(expected * 1.15);
  });

  test('weights that are larger than the card fail while they are loaded, whatever the other settings', () => {
    const result = plan('rtx-4080', 'google/gemma-3-12b-it', '--gpu-memory-utilization 0.5 --max-num-seqs 1');
    expect(result).toMatchObject({ kind: 'oom-weights' });
    expect((result as MemoryFailure).message).toMatch(/^torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate/);
  });

  test('a context that does not fit names the longest that does, and that one fits', () => {
    const model = 'meta-llama/Llama-3.1-8B-Instruct-AWQ';
    const result = plan('t4', model, '--max-model-len 131072') as MemoryFailure;
    expect(result.kind).toBe('kv-too-small');
    const longest = Number(/estimated maximum model length is (\d+)/.exec(result.message)![1]);
    expect(isMemoryFailure(plan('t4', model, `--max-model-len ${longest}`))).toBe(false);
    expect(isMemoryFailure(plan('t4', model, `--max-model-len ${longest + 64}`))).toBe(true);
    expect(plan('t4', model, '--max-model-len auto')).toMatchObject({ maxModelLen: longest });
  });

  test('no KV cache is left when activations take the rest, and fewer tokens a step cure it', () => {
    const flags = '--gpu-memory-utilization 0.85 --max-model-len 2048';
    const model = 'Qwen/Qwen2.5-1.5B-Instruct-AWQ';
    expect(plan('gtx-1650', model, `${flags} --max-num-batched-tokens 16384 --max-num-seqs 256`)).toMatchObject({ kind: 'oom-kv' });
    expect(isMemoryFailure(plan('gtx-1650', model, `${flags} --max-num-batched-tokens 1024 --max-num-seqs 8`))).toBe(false);
  });

  test('a share of the card that is not free is refused before anything is loaded', () => {
    expect(plan('rtx-4080', 'sim-1B', '--gpu-memory-utilization 0.99')).toMatchObject({ kind: 'busy-vram' });
    const settings = readSettings(['sim-1B'], { SIM_GPU: 'rtx-4080' });
    expect(planMemory(settings.gpu, settings.spec, settings.memory, 8)).toMatchObject({ kind: 'busy-vram' });
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
