import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseEngineKind, chooseGpuProfile } from '../../supervisor/detect.ts';
import { loadProfiles, ProfileError } from '../../supervisor/profile.ts';
import { findProgram } from '../../supervisor/program.ts';
import { reading, smiThat } from './support/pretend-smi.ts';

const profiles = loadProfiles();

describe('the GPU profile', () => {
  test.each([
    ['Tesla T4', 15360, 7.5, 't4'],
    ['NVIDIA T4', 16384, 7.5, 't4'],
    ['NVIDIA L4', 23034, 8.9, 'l4'],
    ['NVIDIA RTX A4000', 16376, 8.6, 'rtx-a4000'],
    ['NVIDIA GeForce RTX 3060', 12288, 8.6, 'rtx-3060'],
    ['NVIDIA GeForce RTX 4080', 16376, 8.9, 'rtx-4080'],
    ['NVIDIA L4', 23034, null, 'l4'],
  ])('for %s with %i MiB (compute capability %s) is %s', (name, mib, cap, profile) => {
    expect(chooseGpuProfile(profiles, 'auto', [reading(name, mib, cap)]).name).toBe(profile);
  });

  test('without a card is none, and with a name it is that one', () => {
    expect(chooseGpuProfile(profiles, 'auto', []).name).toBe('none');
    expect(chooseGpuProfile(profiles, 't4', []).name).toBe('t4');
    expect(() => chooseGpuProfile(profiles, 't5', [])).toThrow(ProfileError);
  });
});

describe('the engine', () => {
  const gpus = [reading('Tesla T4', 15360, 7.5)];

  test('is vLLM where there is a card and a vllm command, and otherwise says what is missing', () => {
    expect(chooseEngineKind('auto', gpus, '/usr/bin/vllm')).toMatchObject({ engine: 'vllm' });
    expect(chooseEngineKind('auto', gpus, null)).toEqual({ engine: 'sim', reason: expect.stringContaining('no vllm command') });
    expect(chooseEngineKind('auto', [], '/usr/bin/vllm')).toEqual({ engine: 'sim', reason: expect.stringContaining('no NVIDIA GPU') });
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
