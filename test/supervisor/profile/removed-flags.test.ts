import { expect, test } from 'vitest';
import { removedSettings, removedVariables } from '../../../supervisor/profile/removed-flags.ts';

test('settings that are gone say what took their place', () => {
  expect(removedSettings({ swap_space: 4, max_num_seqs: 8, 'num-scheduler-steps': 8 }, null)).toEqual([
    expect.stringMatching(/--swap-space: .*kv_offloading_size/),
    expect.stringMatching(/--num-scheduler-steps: leave it out/),
  ]);
  expect(removedSettings({ constructor: 1, toString: 2 }, null)).toEqual([]);
});

test('variables that are gone, or never were, say what to use', () => {
  expect(removedVariables({ VLLM_ATTENTION_BACKEND: 'AUTO', VLLM_CACHE_ROOT: '/x', VLLM_MAX_NUM_SEQS: '8' })).toEqual([
    expect.stringMatching(/VLLM_ATTENTION_BACKEND: use the engine setting attention_backend/),
    expect.stringMatching(/VLLM_MAX_NUM_SEQS: use the engine setting max_num_seqs/),
  ]);
});
