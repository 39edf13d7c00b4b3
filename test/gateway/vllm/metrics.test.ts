import { expect, test } from 'vitest';
import { beatIn } from '../../../gateway/vllm/beat.ts';
import { isAsleep, processStart, readMetrics } from '../../../gateway/vllm/metrics.ts';
import { absentNote, recorded } from '../openai/recordings.ts';

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
  expect(readMetrics(PAGE)).toEqual({
    running: 5,
    waiting: 5,
    kvUsage: 0.75,
    work: 1047,
    kvCacheBytes: null,
    kvCacheTokens: 16_000,
  });
});

test('a page that does not count work says so', () => {
  expect(readMetrics('vllm:num_requests_running 9')?.work).toBeNull();
  expect(readMetrics('vllm:num_requests_running 9\nvllm:prompt_tokens_total 4')?.work).toBe(4);
});

test("the cache's use is found under its old name too", () => {
  const old = PAGE.replaceAll('vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc');
  expect(readMetrics(old)?.kvUsage).toBe(0.75);
});

test("the cache's size is known only where it was set in bytes, and is summed over engines", () => {
  const line = 'vllm:cache_config_info{engine="0",kv_cache_memory_bytes="1073741824"} 1.0\n';
  expect(readMetrics(`vllm:num_requests_running 0\n${line}${line}`)?.kvCacheBytes).toBe(2 ** 31);
});

test('the tokens that the cache holds are told, or follow from its blocks; before they are settled nobody knows', () => {
  const tokens = (labels: string): number | null | undefined =>
    readMetrics(`vllm:num_requests_running 0\nvllm:cache_config_info{${labels}} 1.0\n`)?.kvCacheTokens;
  expect(tokens('block_size="16",kv_cache_size_tokens="5000",num_gpu_blocks="1000"')).toBe(5_000);
  expect(tokens('block_size="16",kv_cache_size_tokens="None",num_gpu_blocks="1000"')).toBe(16_000);
  expect(tokens('block_size="16",num_gpu_blocks="None"')).toBeNull();
});

test('a sample without labels, at the very start and without a newline at the end is read', () => {
  expect(readMetrics('vllm:num_requests_running 9')?.running).toBe(9);
});

test("a page that is not vLLM's has no figures", () => {
  expect(readMetrics('')).toBeNull();
  expect(readMetrics('<html>vllm:num_requests_running</html>')).toBeNull();
  expect(readMetrics('vllm:num_requests_running_total 4\n')).toBeNull();
});

test('broken samples are passed over, wherever the page is cut off', () => {
  expect(readMetrics('vllm:num_requests_running NaN\nvllm:num_requests_running{engine="1"} 2\n')?.running).toBe(2);
  for (let end = 0; end <= PAGE.length; end += 1) {
    const figures = readMetrics(PAGE.slice(0, end));
    for (const value of Object.values(figures ?? {})) expect(value === null || Number.isFinite(value)).toBe(true);
  }
});

test('a beat is what runs and waits and what work was done; none of a page that counts no work', () => {
  expect(beatIn(PAGE)).toEqual({ running: 5, waiting: 5, tokens: 1047, kvUsage: 0.75, firstTokenMs: null });
  const told = `${PAGE}vllm:time_to_first_token_seconds_count{engine="0"} 4\nvllm:time_to_first_token_seconds_sum{engine="0"} 1.0\n`;
  expect(beatIn(told)).toMatchObject({ firstTokenMs: 250 });
  expect(beatIn('vllm:num_requests_running 9')).toBeNull();
  expect(beatIn('python_info 1')).toBeNull();
});

const RECORDED = {
  'metrics-idle.prom': { running: 0, waiting: 0, kvUsage: 0, work: 416 },
  '0.32.0/metrics-0.32-idle.prom': { running: 0, waiting: 0, kvUsage: 0, work: 20_098 },
  '0.32.0/metrics-0.32-busy.prom': { running: 8, waiting: 2, kvUsage: 0.0004883110541414881, work: 20_724 },
};
for (const [name, figures] of Object.entries(RECORDED)) {
  const note = absentNote(name);
  test.skipIf(note !== '')(`a page recorded from vLLM gives the figures that it shows: ${name}${note}`, () => {
    expect(readMetrics(recorded(name))).toMatchObject({ ...figures, kvCacheBytes: 1073741824 });
  });
}

test('an engine is asleep where it is not awake, one of several is enough, and older pages do not tell', () => {
  const state = (engine: number, awake: number): string =>
    `vllm:engine_sleep_state{engine="${engine}",model_name="m",sleep_state="awake"} ${awake}.0\nvllm:engine_sleep_state{engine="${engine}",model_name="m",sleep_state="discard_all"} 0.0\n`;
  expect(isAsleep(state(0, 1) + state(1, 1))).toBe(false);
  expect(isAsleep(state(0, 1) + state(1, 0))).toBe(true);
  expect(isAsleep(PAGE)).toBe(false);
});

test('the start of the process is told by some pages', () => {
  expect(processStart('process_start_time_seconds 1.79591496128e+09\n')).toBe(1_795_914_961.28);
  expect(processStart(PAGE)).toBeNull();
});
