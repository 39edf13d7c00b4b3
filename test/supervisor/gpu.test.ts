import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseEngineKind, chooseGpuProfile, findProgram } from '../../supervisor/detect.ts';
import type { GpuReading } from '../../supervisor/gpu.ts';
import { NvidiaSmi, parseCsv, visibleGpus } from '../../supervisor/gpu.ts';
import { loadProfiles, ProfileError } from '../../supervisor/profile.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { scratchFolder } from './support/scratch.ts';

const MIB = 2 ** 20;
const profiles = loadProfiles();

/** A folder with an `nvidia-smi` that runs these shell lines; `$1` is the query. */
function smiThat(script: string): string {
  const folder = scratchFolder();
  const file = join(folder, 'nvidia-smi');
  writeFileSync(file, `#!/bin/sh\necho "$1" >> ${join(folder, 'calls')}\n${script}\n`);
  chmodSync(file, 0o755);
  return folder;
}

function read(folder: string): Promise<readonly GpuReading[]> {
  return new NvidiaSmi(createFakeClock(), { PATH: `${folder}:/usr/bin:/bin` }).read();
}

const T4_AND_4080 = `case "$1" in
  *memory.total*) echo "0, GPU-aaa, Tesla T4, 15360, 14900, 580.95.05"; echo "1, GPU-bbb, NVIDIA GeForce RTX 4080, 16376, 15000, 580.95.05";;
  *compute_cap*) echo "GPU-bbb, 8.9"; echo "GPU-aaa, 7.5";;
  *display_active*) echo "GPU-aaa, Disabled"; echo "GPU-bbb, Enabled";;
  *) echo "GPU-aaa, 460, 17, 52, 30.5"; echo "GPU-bbb, 1376, [N/A], N/A, [Not Supported]";;
esac`;

describe('NvidiaSmi', () => {
  test('reads every card, by its id and not by its place', async () => {
    const [t4, rtx] = await read(smiThat(T4_AND_4080));
    expect(t4).toMatchObject({
      index: 0,
      uuid: 'GPU-aaa',
      name: 'Tesla T4',
      memoryTotalBytes: 15360 * MIB,
      memoryFreeBytes: 14900 * MIB,
      memoryUsedBytes: 460 * MIB,
      utilization: 0.17,
      computeCap: 7.5,
      display: false,
    });
    expect(rtx).toMatchObject({ uuid: 'GPU-bbb', computeCap: 8.9, display: true, driverVersion: '580.95.05' });
  });

  test('takes what the driver does not say for unknown, never for zero', async () => {
    const rtx = (await read(smiThat(T4_AND_4080)))[1];
    expect(rtx).toMatchObject({ utilization: null, temperatureCelsius: null, powerWatts: null });
  });

  test('does without fields that an old driver does not know', async () => {
    const folder = smiThat(`case "$1" in
      *memory.total*) echo "0, GPU-aaa, Tesla T4, 15360 MiB, 14900 MiB, 470.1";;
      *) echo 'Field "x" is not a valid field to query.'; exit 2;;
    esac`);
    expect(await read(folder)).toMatchObject([{ name: 'Tesla T4', memoryTotalBytes: 15360 * MIB, computeCap: null, display: false }]);
  });

  test.each([
    ['is missing', ''],
    ['fails', 'echo "NVIDIA-SMI has failed"; exit 9'],
    ['says nothing', 'exit 0'],
    ['talks nonsense', 'echo "No devices were found"'],
  ])('finds no card where the program %s', async (_, script) => {
    const folder = script === '' ? scratchFolder() : smiThat(script);
    expect(await new NvidiaSmi(createFakeClock(), { PATH: folder }).read()).toEqual([]);
  });

  test('asks once for all who want to know within a second', async () => {
    const clock = createFakeClock();
    const smi = new NvidiaSmi(clock, { PATH: scratchFolder() });
    const first = smi.read();
    expect(smi.read()).toBe(first);
    await first;
    await clock.advance(1500);
    expect(smi.read()).not.toBe(first);
  });
});

test('a row with fewer cells than asked for is no crash', () => {
  expect(parseCsv('0, GPU-aaa\n\n', ['index', 'uuid', 'name'])).toEqual([
    new Map([
      ['index', '0'],
      ['uuid', 'GPU-aaa'],
    ]),
  ]);
});

function card(name: string, memoryMib: number, computeCap: number | null): GpuReading {
  const unknown = { utilization: null, temperatureCelsius: null, powerWatts: null, memoryUsedBytes: null, memoryFreeBytes: null };
  return { ...unknown, index: 0, uuid: 'GPU-x', name, memoryTotalBytes: memoryMib * MIB, computeCap, driverVersion: null, display: false };
}

describe('the GPU profile', () => {
  test.each([
    ['Tesla T4', 15360, 7.5, 't4'],
    ['NVIDIA T4', 16384, 7.5, 't4'],
    ['NVIDIA L4', 23034, 8.9, 'l4'],
    ['NVIDIA L40S', 46068, 8.9, 'generic'],
    ['NVIDIA RTX A4000', 16376, 8.6, 'rtx-a4000'],
    ['Quadro RTX 4000', 8192, 7.5, 'generic'],
    ['NVIDIA RTX 4000 Ada Generation', 20475, 8.9, 'generic'],
    ['NVIDIA GeForce RTX 3060', 12288, 8.6, 'rtx-3060'],
    ['NVIDIA GeForce RTX 3060', 8192, 8.6, 'generic'],
    ['NVIDIA GeForce RTX 3060 Laptop GPU', 6144, 8.6, 'generic'],
    ['NVIDIA GeForce RTX 4080', 16376, 8.9, 'rtx-4080'],
    ['NVIDIA GeForce RTX 4080 Laptop GPU', 12282, 8.9, 'generic'],
    ['NVIDIA L4', 23034, null, 'l4'],
  ])('for %s with %i MiB (compute capability %s) is %s', (name, mib, cap, profile) => {
    expect(chooseGpuProfile(profiles, 'auto', [card(name, mib, cap)]).name).toBe(profile);
  });

  test('without a card is none, and with a name it is that one', () => {
    expect(chooseGpuProfile(profiles, 'auto', []).name).toBe('none');
    expect(chooseGpuProfile(profiles, 't4', []).name).toBe('t4');
    expect(() => chooseGpuProfile(profiles, 't5', [])).toThrow(ProfileError);
  });
});

describe('the engine', () => {
  const gpus = [card('Tesla T4', 15360, 7.5)];

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

test('CUDA_VISIBLE_DEVICES hides cards as CUDA does it', () => {
  const gpus = ['GPU-aaa', 'GPU-bbb', 'GPU-ccc'].map((uuid, index) => ({ ...card('NVIDIA L4', 23034, 8.9), index, uuid }));
  const seen = (visible: string | undefined) => visibleGpus(gpus, visible).map(({ uuid }) => uuid);
  expect(seen(undefined)).toEqual(['GPU-aaa', 'GPU-bbb', 'GPU-ccc']);
  expect(seen('2,0')).toEqual(['GPU-ccc', 'GPU-aaa']);
  expect(seen('GPU-b')).toEqual(['GPU-bbb']);
  expect(seen('1,7,0')).toEqual(['GPU-bbb']);
  for (const none of ['', '-1', 'none', 'NoDevFiles']) expect(seen(none)).toEqual([]);
});

test('a program is found on the PATH, or where its path says', () => {
  const folder = smiThat('true');
  expect(findProgram('nvidia-smi', { PATH: `/nowhere:${folder}` }, '/')).toBe(join(folder, 'nvidia-smi'));
  expect(findProgram('./nvidia-smi', {}, folder)).toBe(join(folder, 'nvidia-smi'));
  expect(findProgram('nothing', { PATH: folder }, '/')).toBeNull();
  writeFileSync(join(folder, 'plain'), 'text');
  expect(findProgram('plain', { PATH: folder }, '/')).toBeNull();
});
