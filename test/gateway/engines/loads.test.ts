import { describe, expect, test } from 'vitest';
import { ADAPTERS, adapterOf } from '../../../gateway/engines/adapters.ts';
import { LoadSource } from '../../../gateway/engines/load-source.ts';
import { llamaShapes, SLOTS } from '../../support/engines/llama-cpp.ts';
import { LOADS, sglangShapes } from '../../support/engines/sglang.ts';
import { ITERATIONS } from '../../support/engines/tensorrt-llm.ts';

const { sglang, 'tensorrt-llm': trt, 'llama-cpp': llama } = ADAPTERS;

describe('the load that engines tell', () => {
  test('SGLang: its metrics, and without them its loads, summed over ranks', () => {
    const page = sglangShapes().pages['/metrics']!.body as string;
    expect(sglang.loads[0]!.read(page, null)).toEqual({
      running: 3,
      waiting: 2,
      kvUsage: 0.25,
      work: 192,
      kvCacheBytes: null,
      kvCacheTokens: null,
    });
    expect(sglang.loads[1]!.read(LOADS, null)).toEqual({
      running: 4,
      waiting: 1,
      kvUsage: 0.14,
      work: 280,
      kvCacheBytes: null,
      kvCacheTokens: null,
    });
  });

  test('TensorRT-LLM: the last iteration; nothing new means that it did nothing', () => {
    const read = trt.loads[1]!.read;
    const busy = read(ITERATIONS, null);
    expect(busy).toEqual({ running: 4, waiting: 1, kvUsage: 0.3, work: 12, kvCacheBytes: null, kvCacheTokens: null });
    // Whether its statistics are off, or it has not worked yet, nobody can say.
    expect(read('[]', null)).toBeNull();
    expect(read('[]', busy)).toEqual({ ...busy, running: 0, waiting: 0, kvUsage: 0 });
  });

  test('TensorRT-LLM, newer: the same by Prometheus', () => {
    const page =
      '# HELP\ntrtllm_num_requests_running{model_name="m"} 2.0\ntrtllm_num_requests_waiting{model_name="m"} 1.0\ntrtllm_kv_cache_utilization{model_name="m"} 0.5\ntrtllm_generation_tokens_total{model_name="m"} 9.0\n';
    expect(trt.loads[0]!.read(page, null)).toEqual({
      running: 2,
      waiting: 1,
      kvUsage: 0.5,
      work: 9,
      kvCacheBytes: null,
      kvCacheTokens: null,
    });
    expect(trt.loads[0]!.read('request_success_total{finished_reason="stop"} 3.0\n', null)).toBeNull();
  });

  test('llama.cpp: its metrics, and without them its slots; of its cache nothing, since it can be thrown out at any time', () => {
    const page = llamaShapes().pages['/metrics']!.body as string;
    expect(llama.loads[0]!.read(page, null)).toEqual({
      running: 2,
      waiting: 1,
      kvUsage: 0,
      work: 204,
      kvCacheBytes: null,
      kvCacheTokens: null,
    });
    expect(llama.loads[1]!.read(SLOTS, null)).toEqual({
      running: 1,
      waiting: 0,
      kvUsage: 0,
      work: 22,
      kvCacheBytes: null,
      kvCacheTokens: null,
    });
  });

  test.each(Object.values(ADAPTERS).flatMap(({ kind, loads }) => loads.map((page) => [kind, page] as const)))(
    'no page of %s is taken from what is none of it',
    (_kind, page) => {
      for (const other of ['', '{}', 'null', '[]', '[1,null]', '<html></html>', '{"loads":[{}]}'])
        expect(page.read(other, null)).toBeNull();
    },
  );
});

describe('the page that is asked for', () => {
  test('is the next one where the server does not have the first, and the first again after a while without any', () => {
    const source = new LoadSource();
    const first = source.pageOf(llama)!;
    expect(first.path).toBe('/metrics');
    expect(source.read(first, 501, '')).toBeNull();
    const second = source.pageOf(llama)!;
    expect(second.path).toBe('/slots');
    expect(source.read(second, 200, SLOTS)).not.toBeNull();
    // What has told once is not given up for one bad answer.
    expect(source.read(second, 404, '')).toBeNull();
    expect(source.pageOf(llama)).toBe(second);
  });

  test('is none where the engine tells nothing', () => {
    const source = new LoadSource();
    expect(source.pageOf(ADAPTERS.openai)).toBeNull();
    source.read(source.pageOf(sglang)!, 404, '');
    source.read(source.pageOf(sglang)!, 404, '');
    expect(source.pageOf(sglang)).toBeNull();
    for (let i = 0; i < 130 && source.pageOf(sglang) === null; i++);
    expect(source.pageOf(sglang)).toBe(sglang.loads[0]);
  });

  test('of vLLM is its metrics, whatever they say', () => {
    const source = new LoadSource();
    const vllm = adapterOf({ engine: 'sim' });
    expect(vllm).toBe(ADAPTERS.vllm);
    for (const status of [404, 200, 501]) source.read(source.pageOf(vllm)!, status, '');
    expect(source.pageOf(vllm)).toBe(vllm.loads[0]);
  });
});
