import { describe, expect, test } from 'vitest';
import { parseFlags, UsageError } from '../../../../supervisor/sim/settings/flags.ts';
import { helpText, usageText } from '../../../../supervisor/sim/settings/help.ts';
import { CHANGES } from '../../../../supervisor/sim/settings/since.ts';
import { ConfigError } from '../../../../supervisor/sim/settings/config-error.ts';
import { readSettings } from '../../../../supervisor/sim/settings/settings.ts';

function refused(...argv: string[]): string {
  try {
    parseFlags(argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('the arguments were accepted');
}

function parsed(...argv: string[]): Record<string, unknown> {
  return Object.fromEntries(parseFlags(argv).values);
}

describe('the flags of vllm serve', () => {
  test('are read with values behind a space or an equals sign, with dashes or underscores', () => {
    expect(parsed('m', '--max-num-seqs', '8', '--max_model_len=4096', '--dtype', 'half')).toEqual({
      max_num_seqs: 8,
      max_model_len: 4096,
      dtype: 'half',
    });
  });

  test('know sizes: k is a thousand, K is 1024, and auto and -1 mean to fit', () => {
    expect(parsed('--max-model-len', '8k')).toEqual({ max_model_len: 8000 });
    expect(parsed('--max-model-len', '8K')).toEqual({ max_model_len: 8192 });
    expect(parsed('--max-model-len', '-1')).toEqual({ max_model_len: 'auto' });
    expect(parsed('--max-model-len', 'auto')).toEqual({ max_model_len: 'auto' });
  });

  test('know --x and --no-x, lists, unambiguous beginnings and -O3', () => {
    expect(parsed('--enforce-eager', '--no-enable-prefix-caching')).toEqual({ enforce_eager: true, enable_prefix_caching: false });
    expect(parsed('--served-model-name', 'a', 'b', '--port', '1')).toEqual({ served_model_name: ['a', 'b'], port: 1 });
    expect(parsed('--kv-cache-memory', '1G')).toEqual({ kv_cache_memory_bytes: 1024 ** 3 });
    expect(parsed('-O3', '-tp', '2')).toEqual({ optimization_level: '3', tensor_parallel_size: 2 });
    expect(parsed('-cc.cudagraph_mode=NONE')).toEqual({ compilation_config: '{"cudagraph_mode":"NONE"}' });
  });

  test.each([
    ['--swap-space', '4'],
    ['--disable-log-requests'],
    ['--task', 'generate'],
    ['--use-v2-block-manager'],
    ['--num-scheduler-steps', '8'],
  ])('that were removed are not recognized: %s', (...argv) => {
    expect(refused('m', ...argv)).toBe(`unrecognized arguments: ${argv.join(' ')}`);
  });

  test('refuse values that are none, in the words of argparse', () => {
    expect(refused('--max-num-seqs', 'many')).toBe("argument --max-num-seqs: invalid int value: 'many'");
    expect(refused('--dtype', 'fp16')).toMatch(/^argument --dtype: invalid choice: 'fp16' \(choose from 'auto', 'bfloat16'/);
    expect(refused('--port')).toBe('argument --port: expected one argument');
    expect(refused('--max')).toMatch(/^ambiguous option: --max could match/);
    expect(usageText(new UsageError('no'))).toBe('usage: vllm serve [model_tag] [options]\nvllm serve: error: no\n');
  });

  // The whole list of 0.32.0's own parser is the table; here is what the simulation gives effect to.
  test('of 0.32 are known, and one that it has lost is not', () => {
    expect(parsed('--max-num-queued-reqs', '3', '--max-num-queued-tokens', '8k', '--enable-scale-out')).toEqual({
      max_num_queued_reqs: 3,
      max_num_queued_tokens: 8000,
      enable_scale_out: true,
    });
    expect(parsed('--device-memory-utilization', '0.5')).toEqual({ gpu_memory_utilization: 0.5 });
    expect(refused('--enable-bf16x3-router-gemm')).toContain('unrecognized arguments');
  });

  test('the help says which vLLM is followed, and since when versions differ', () => {
    expect(helpText()).toContain('simulated as vLLM 0.32.0 is');
    for (const { since, now, before } of CHANGES) expect(helpText()).toContain(`  since ${since}: ${now}\n    before: ${before}\n`);
  });

  test('are listed by --help', () => {
    const help = helpText();
    for (const line of ['--max-num-seqs MAX_NUM_SEQS', '--enforce-eager, --no-enforce-eager', '--shutdown-timeout SHUTDOWN_TIMEOUT'])
      expect(help).toContain(line);
    expect(help).not.toContain('--swap-space');
  });
});

describe('the settings made of them', () => {
  test('have the defaults that vLLM has on small cards', () => {
    expect(readSettings(['m'], {}).memory).toMatchObject({
      maxNumSeqs: 256,
      maxNumBatchedTokens: 2048,
      gpuMemoryUtilization: 0.92,
      blockSize: 16,
    });
  });

  test('refuse what the configuration cannot be', () => {
    expect(() => readSettings(['m', '--gpu-memory-utilization', '1.5'], {})).toThrow(ConfigError);
    expect(() => readSettings(['m', '--max-num-seqs', '0'], {})).toThrow(ConfigError);
    expect(() => readSettings(['m', '--max-num-seqs', '64', '--max-num-batched-tokens', '32'], {})).toThrow(
      /must be greater than or equal to max_num_seqs/,
    );
    expect(() => readSettings(['m'], { SIM_GPU: 'voodoo2' })).toThrow(/SIM_GPU must be one of t4/);
    expect(() => readSettings(['m'], { SIM_SPEED: 'fast' })).toThrow(/SIM_SPEED/);
    expect(() => readSettings(['m'], { SIM_FAULT: 'gremlins' })).toThrow(/SIM_FAULT must be one of error-500/);
  });

  test('take the keys from the flags before the environment', () => {
    expect(readSettings(['m', '--api-key', 'one', 'two'], { VLLM_API_KEY: 'three' }).apiKeys).toEqual(['one', 'two']);
    expect(readSettings(['m'], { VLLM_API_KEY: 'three' }).apiKeys).toEqual(['three']);
  });

  test('scale the start with the speed unless it is given in milliseconds', () => {
    expect(readSettings(['m'], { SIM_SPEED: '0.1' }).startMs).toBe(150);
    expect(readSettings(['m'], { SIM_SPEED: '0.1', SIM_START_MS: '700' }).startMs).toBe(700);
  });
});
