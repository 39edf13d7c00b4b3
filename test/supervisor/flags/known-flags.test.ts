import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isKnownFlag, nearestFlag } from '../../../supervisor/flags/known-flags.ts';

const RECORDED = ['vllm-serve-flags.json', 'vllm-serve-flags-0.33.json'].map((name) =>
  fileURLToPath(new URL(`../../../../shared/vllm-recordings/0.32.0/${name}`, import.meta.url)),
);

test.each([
  'max_num_seqs',
  'max-num-seqs',
  'no-enable-prefix-caching',
  'disable_prefix_caching',
  'compilation_config.level',
  'device-memory-utilization',
])('%s is a flag', (setting) => expect(isKnownFlag(setting)).toBe(true));

test.each([
  ['max_num_seq', 'max_num_seqs'],
  ['gpu-memory-utilisation', 'gpu-memory-utilization'],
  ['max_modellen', 'max_model_len'],
  ['zzz_nothing_like_it', null],
])('%s is none, and %s was meant', (setting, near) => {
  expect(isKnownFlag(setting)).toBe(false);
  expect(nearestFlag(setting)).toBe(near);
});

test.skipIf(!RECORDED.every(existsSync))('every flag that a real vLLM has told of is known (recordings beside the repository)', () => {
  for (const file of RECORDED) {
    const { flags } = JSON.parse(readFileSync(file, 'utf8')) as { flags: { names: string[] }[] };
    const names = flags.flatMap((flag) => flag.names).filter((name) => /^--[a-z]/.test(name) && name !== '--help');
    expect(names.filter((name) => !isKnownFlag(name.slice(2)))).toEqual([]);
  }
});
