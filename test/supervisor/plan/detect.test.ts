import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseEngineKind, decideGpuProfile } from '../../../supervisor/plan/detect.ts';
import { loadProfiles, ProfileError } from '../../../supervisor/profile/profile.ts';
import { withSteps } from '../../../supervisor/profile/match.ts';
import { findProgram } from '../../../supervisor/system/program.ts';
import { reading, smiThat } from '../support/pretend-smi.ts';

const profiles = loadProfiles();

describe('the GPU profile', () => {
  test.each([
    ['Tesla T4', 15360, 7.5, 't4'],
    ['NVIDIA T4', 16384, 7.5, 't4'],
    ['NVIDIA L4', 23034, 8.9, 'l4'],
    ['NVIDIA L4', 23034, null, 'l4'],
    ['NVIDIA L40S', 46068, 8.9, 'l40s'],
    ['NVIDIA RTX A4000', 16376, 8.6, 'rtx-a4000'],
    ['NVIDIA GeForce RTX 3060', 12288, 8.6, 'rtx-3060'],
    ['NVIDIA GeForce RTX 4080', 16376, 8.9, 'rtx-4080'],
    ['NVIDIA GeForce RTX 4080 SUPER', 16376, 8.9, 'rtx-4080'],
    ['NVIDIA GeForce RTX 3090', 24576, 8.6, 'rtx-3090'],
    ['NVIDIA GeForce RTX 4090', 24564, 8.9, 'rtx-4090'],
    ['NVIDIA GeForce RTX 5080', 16303, 12, 'rtx-5080'],
    ['NVIDIA GeForce RTX 5090', 32607, 12, 'rtx-5090'],
    ['NVIDIA A10', 23028, 8.6, 'a10'],
    ['NVIDIA A10G', 23028, 8.6, 'a10'],
    ['NVIDIA A100-PCIE-40GB', 40960, 8, 'a100-40'],
    ['NVIDIA A100-SXM4-40GB', 40960, 8, 'a100-40'],
    ['NVIDIA A100-SXM4-80GB', 81920, 8, 'a100-80'],
    ['NVIDIA A100 80GB PCIe', 81920, 8, 'a100-80'],
    ['NVIDIA H100 80GB HBM3', 81559, 9, 'h100'],
    ['NVIDIA H100 PCIe', 81559, 9, 'h100'],
    ['NVIDIA H200', 143771, 9, 'h200'],
    ['NVIDIA GeForce RTX 3050 Laptop GPU', 4096, 8.6, '4gb'],
    ['NVIDIA GeForce GTX 1650', 4096, 7.5, '4gb'],
  ])('for %s with %i MiB (compute capability %s) is %s', (name, mib, cap, profile) => {
    const { profile: chosen, reason } = decideGpuProfile(profiles, 'auto', [reading(name, mib, cap)]);
    expect(chosen.name).toBe(profile);
    expect(reason).toContain(name);
  });

  // Names that hold another's, the same memory with another capability, the same name with other memory.
  test.each([
    ['Quadro RTX 4000', 8192, 7.5],
    ['NVIDIA RTX 4000 Ada Generation', 20475, 8.9],
    ['NVIDIA GeForce RTX 3060', 8192, 8.6],
    ['NVIDIA GeForce RTX 3060 Laptop GPU', 6144, 8.6],
    ['NVIDIA GeForce RTX 4080 Laptop GPU', 12282, 8.9],
    ['NVIDIA GeForce RTX 4090 Laptop GPU', 16376, 8.9],
    ['NVIDIA GeForce RTX 4060 Ti', 16380, 8.9],
    ['NVIDIA RTX A4000', 16376, 8.9],
    ['GRID T4-8C', 8192, 7.5],
    ['Something new', 12288, 13],
  ])('for %s with %i MiB (compute capability %s) is the generic one, and says so', (name, mib, cap) => {
    const { profile, reason } = decideGpuProfile(profiles, 'auto', [reading(name, mib, cap)]);
    expect(profile.name).toBe('generic');
    expect(reason).toMatch(/^no profile describes .*cautious values/);
  });

  test('without a card is none, of a real engine that of a CPU, and with a name it is that one', () => {
    expect(decideGpuProfile(profiles, 'auto', [], true)).toMatchObject({ profile: { name: 'cpu' }, reason: 'no NVIDIA GPU was found' });
    expect(decideGpuProfile(profiles, 'auto', [])).toMatchObject({
      profile: { name: 'none' },
      reason: expect.stringContaining('no NVIDIA GPU'),
    });
    expect(decideGpuProfile(profiles, 't4', [])).toMatchObject({ profile: { name: 't4' }, reason: 'supervisor.profile is set to t4' });
    expect(() => decideGpuProfile(profiles, 't5', [])).toThrow(ProfileError);
    expect(() => decideGpuProfile(profiles, 'rtx-a400', [])).toThrow(/did you mean rtx-a4000\?/);
  });
});

describe('the steps of a profile', () => {
  const step = (name: string, memoryGib: number | null, computeCap: number | null, vllmVersion: string | null = null) =>
    withSteps(profiles.gpus.get(name)!, { memoryGib, computeCap, vllmVersion });

  test('give an unknown card values by its memory', () => {
    const seqs = [5, 11.5, 22, 44, 100].map((gib) => step('generic', gib, 8.6).engine['max_num_seqs']);
    expect(seqs).toEqual([8, 16, 32, 64, 128]);
    expect(step('generic', 5, 8.6).engine).toMatchObject({ gpu_memory_utilization: 0.85, max_num_batched_tokens: 1024 });
  });

  test('give an unknown card what its compute capability asks for', () => {
    expect(step('generic', 11.5, 7.5)).toMatchObject({ engine: { dtype: 'half' }, env: { VLLM_USE_FLASHINFER_SAMPLER: '0' } });
    expect(step('generic', 11.5, 8.6).engine).not.toHaveProperty('dtype');
  });

  test('heed the version of vLLM', () => {
    expect(step('t4', 14.56, 7.5, '0.23.2').engine).toMatchObject({ attention_backend: 'TRITON_ATTN' });
    expect(step('t4', 14.56, 7.5, '0.24.0').engine).not.toHaveProperty('attention_backend');
  });

  test('do not apply where what they ask for is not known', () => {
    expect(step('generic', null, null).engine).toEqual(profiles.gpus.get('generic')!.engine);
  });
});

describe('the engine', () => {
  const gpus = [reading('Tesla T4', 15360, 7.5)];

  test('is vLLM where there is a card and a vllm command, and otherwise says what is missing', () => {
    expect(chooseEngineKind('auto', gpus, '/usr/bin/vllm')).toMatchObject({ engine: 'vllm' });
    const reason = expect.stringContaining('no NVIDIA GPU') as string;
    expect(chooseEngineKind('auto', [], '/usr/bin/vllm')).toEqual({ engine: 'sim', reason, problem: null, missing: null });
  });

  test('is never a simulated one on a card that is there: what is missing is said, with what to do', () => {
    const { engine, missing } = chooseEngineKind('auto', gpus, null, null, 'my-vllm');
    expect(engine).toBe('vllm');
    expect(missing).toMatch(/GPU \(Tesla T4\) and no program my-vllm.*pip install vllm.*supervisor\.vllm_command.*--engine sim/);
    expect(chooseEngineKind('sim', gpus, null)).toMatchObject({ engine: 'sim', missing: null });
  });

  test('is the simulated one on a card that is only pretended, whatever is installed', () => {
    const pretended = gpus.map((gpu) => ({ ...gpu, simulated: true }));
    for (const vllm of ['/usr/bin/vllm', null])
      expect(chooseEngineKind('auto', pretended, vllm)).toMatchObject({
        engine: 'sim',
        reason: expect.stringContaining('pretended Tesla T4'),
        missing: null,
      });
  });

  test('is chosen with a word about what keeps the cards from being seen, where something does', () => {
    const hung = 'nvidia-smi did not answer within 5 s';
    expect(chooseEngineKind('auto', [], '/usr/bin/vllm', hung)).toEqual({
      engine: 'sim',
      reason: `no GPU can be used (${hung}), so the simulated engine is used`,
      problem: hung,
      missing: null,
    });
    expect(chooseEngineKind('vllm', [], '/usr/bin/vllm', hung)).toMatchObject({ engine: 'vllm', problem: hung });
    expect(chooseEngineKind('sim', [], null, hung)).toMatchObject({ problem: null });
    expect(chooseEngineKind('auto', gpus, '/usr/bin/vllm', hung)).toMatchObject({ engine: 'vllm', problem: null });
  });

  test('is what the settings say', () => {
    expect(chooseEngineKind('vllm', [], null)).toMatchObject({ engine: 'vllm' });
    expect(chooseEngineKind('sim', gpus, '/usr/bin/vllm')).toMatchObject({ engine: 'sim' });
  });
});

test('a program is found on the PATH, or where its path says', () => {
  const folder = smiThat('true');
  expect(findProgram('nvidia-smi', { PATH: `/nowhere:${folder}` }, '/')).toBe(join(folder, 'nvidia-smi'));
  expect(findProgram('nvidia-smi', { PATH: '/nowhere' }, '/', [folder])).toBe(join(folder, 'nvidia-smi'));
  expect(findProgram('./nvidia-smi', {}, folder)).toBe(join(folder, 'nvidia-smi'));
  expect(findProgram('nothing', { PATH: folder }, '/')).toBeNull();
  writeFileSync(join(folder, 'plain'), 'text');
  expect(findProgram('plain', { PATH: folder }, '/')).toBeNull();
});
