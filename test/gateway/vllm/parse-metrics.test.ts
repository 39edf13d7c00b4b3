import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseMetrics } from '../../../gateway/vllm/parse-metrics.ts';

const PAGE = `# HELP python_info Python platform information.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a \\"b} 7\\" {c"} 3.0
vllm:num_requests_running{engine="1",model_name="a"} 2
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a"} 4.0 1795212108000
vllm:num_requests_waiting{engine="1",model_name="a"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a",reason="capacity"} 100.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.75
vllm:generation_tokens_total{engine="0",model_name="a"} 30.0
vllm:generation_tokens_total{engine="1",model_name="a"} 12.0
vllm:prompt_tokens_total{engine="0",model_name="a"} 1e+03
vllm:prompt_tokens_by_source_total{engine="0",source="local_compute"} 77.0
vllm:iteration_tokens_total_bucket{engine="0",le="1.0"} 77.0
vllm:iteration_tokens_total_sum{engine="0"} 77.0
vllm:iteration_tokens_total_count{engine="0"} 5.0
vllm:cache_config_info{block_size="16",kv_cache_memory_bytes="None",num_gpu_blocks="1000"} 1.0
`;

test('counts are summed over engines, and the fullest cache stands for all', () => {
  expect(parseMetrics(PAGE)).toEqual({
    running: 5,
    waiting: 5,
    kvUsage: 0.75,
    work: 1047,
    kvCacheBytes: null,
  });
});

test('a page that does not count work says so', () => {
  expect(parseMetrics('vllm:num_requests_running 9')?.work).toBeNull();
  expect(parseMetrics('vllm:num_requests_running 9\nvllm:prompt_tokens_total 4')?.work).toBe(4);
});

test("the cache's use is found under its old name too", () => {
  const old = PAGE.replaceAll('vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc');
  expect(parseMetrics(old)?.kvUsage).toBe(0.75);
});

test("the cache's size is known only where it was set in bytes, and is summed over engines", () => {
  const line = 'vllm:cache_config_info{engine="0",kv_cache_memory_bytes="1073741824"} 1.0\n';
  expect(parseMetrics(`vllm:num_requests_running 0\n${line}${line}`)?.kvCacheBytes).toBe(2 ** 31);
});

test('a sample without labels, at the very start and without a newline at the end is read', () => {
  expect(parseMetrics('vllm:num_requests_running 9')?.running).toBe(9);
});

test("a page that is not vLLM's has no figures", () => {
  expect(parseMetrics('')).toBeNull();
  expect(parseMetrics('<html>vllm:num_requests_running</html>')).toBeNull();
  expect(parseMetrics('vllm:num_requests_running_total 4\n')).toBeNull();
});

test('broken samples are passed over, wherever the page is cut off', () => {
  expect(parseMetrics('vllm:num_requests_running NaN\nvllm:num_requests_running{engine="1"} 2\n')?.running).toBe(2);
  for (let end = 0; end <= PAGE.length; end += 1) {
    const figures = parseMetrics(PAGE.slice(0, end));
    for (const value of Object.values(figures ?? {})) expect(value === null || Number.isFinite(value)).toBe(true);
  }
});

const recording = new URL('../../../../shared/vllm-recordings/metrics-idle.prom', import.meta.url);
describe.skipIf(!existsSync(recording))('a page recorded from vLLM (skipped where the recording is absent)', () => {
  test('gives the figures that it shows', () => {
    expect(parseMetrics(readFileSync(recording, 'utf8'))).toEqual({
      running: 0,
      waiting: 0,
      kvUsage: 0,
      work: 416,
      kvCacheBytes: 1073741824,
    });
  });
});
