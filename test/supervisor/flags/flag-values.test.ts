import { expect, test } from 'vitest';
import type { EngineValue } from '../../../gateway/config/schema/settings.ts';
import { wrongValue } from '../../../supervisor/flags/flag-values.ts';

test.each<[string, EngineValue, string]>([
  ['kv_cache_dtype', 'fp7', 'vllm serve does not take fp7 here; did you mean fp8?'],
  ['max-num-seqs', 'many', 'vllm serve wants a whole number here; got "many"'],
  ['max-num-seqs', 8.5, 'vllm serve wants a whole number here; got 8.5'],
  ['max_num_seqs', [1, 2], 'vllm serve wants one value here; got a list'],
  ['gpu_memory_utilization', 'most', 'vllm serve wants a number here; got "most"'],
  ['max_model_len', 'long', 'vllm serve wants a number such as 8192 or 8k, or auto here; got "long"'],
  ['enforce-eager', 'maybe', 'vllm serve wants true or false here; got "maybe"'],
  ['enable_prefix_caching', 1, 'vllm serve wants true or false here; got 1'],
  ['no-enable-prefix-caching', 'x', 'vllm serve wants true or false here; got "x"'],
  ['dtype', true, 'vllm serve wants a value here; got true'],
  ['quantization', 'awq_marln', 'vLLM has no quantization awq_marln; did you mean awq_marlin?'],
])('%s: %j is a mistake', (setting, value, message) => {
  expect(wrongValue(setting, value)).toEqual({ message, isSure: true });
});

test.each<[string, EngineValue]>([
  ['kv-cache-dtype', 'fp8'],
  ['dtype', 'half'],
  ['kv-cache-dtype', 'ultraquant_4bit'],
  ['dtype', null],
  ['max-num-seqs', 8],
  ['max-num-seqs', '8'],
  ['max_model_len', 'auto'],
  ['max_model_len', -1],
  ['max-model-len', '25.6k'],
  ['kv_cache_memory_bytes', '2Gi'],
  ['gpu-memory-utilization', '.5'],
  ['enforce-eager', true],
  ['enforce-eager', false],
  ['speculative-config', { method: 'ngram' }],
  ['speculative_config.method', 'anything'],
  ['quantization', 'awq_marlin'],
  ['quantization', 'bitsandbytes'],
  ['lora-modules', ['a=b', 'c=d']],
  ['a-flag-of-next-year', 'x'],
])('%s: %j is none', (setting, value) => {
  expect(wrongValue(setting, value)).toBeNull();
});

test('a choice that may be of a later vLLM, or of a plugin, is doubtful', () => {
  expect(wrongValue('dtype', 'int3')).toEqual({
    message: 'vllm serve up to 0.32 does not take int3 here, but auto, bfloat16, float, float16, float32, half',
    isSure: false,
  });
  expect(wrongValue('quantization', 'house-blend')).toMatchObject({
    isSure: false,
    message: expect.stringContaining('only a plugin') as unknown,
  });
});
