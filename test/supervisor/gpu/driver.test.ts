import { expect, test } from 'vitest';
import { driverAdvice } from '../../../supervisor/gpu/driver.ts';

test.each([
  ['Tesla T4', '580.95.05', '13.0', 'fine', /580\.95\.05 runs every/],
  ['NVIDIA GeForce RTX 4080', '610.43', null, 'fine', /runs every/],
  ['NVIDIA GeForce RTX 3060', '570.124', '13.0', 'blocked', /GeForce.*R580.*cu129/],
  ['NVIDIA GeForce RTX 3060', '570.124', null, 'doubtful', /R580/],
  ['NVIDIA GeForce RTX 3060', '570.124', '12.9', 'fine', /built for CUDA 12\.9/],
  ['Tesla T4', '535.230', '13.0', 'doubtful', /VLLM_ENABLE_CUDA_COMPATIBILITY=1/],
  ['NVIDIA L4', '570.124', null, 'doubtful', /compatibility package/],
  ['NVIDIA RTX A4000', '470.82', '12.9', 'blocked', /too old for every/],
  ['NVIDIA L4', null, '13.0', 'doubtful', /does not tell/],
])('%s with driver %s and vLLM for CUDA %s is %s', (name, driverVersion, cuda, kind, message) => {
  expect(driverAdvice({ name, driverVersion }, cuda)).toEqual({ kind, message: expect.stringMatching(message) });
});
