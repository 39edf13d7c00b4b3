import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../supervisor/failure/failure.ts';
import { withHolders } from '../../../supervisor/engine/free-memory.ts';
import { cudaTotalBytes, feasibleUtilization, freeForVllmBytes, neededBytes, utilizationLimit } from '../../../supervisor/gpu/memory.ts';
import { reading } from '../support/pretend-smi.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

describe('the memory that CUDA divides', () => {
  // What PyTorch reports on these cards, in GiB.
  test.each([
    ['Tesla T4', 15360, 14.58],
    ['NVIDIA GeForce RTX 4080', 16376, 15.57],
    ['NVIDIA GeForce RTX 5080', 16303, 15.48],
    ['NVIDIA GeForce RTX 4090', 24564, 23.52],
    ['NVIDIA GeForce RTX 5090', 32607, 31.37],
    ['NVIDIA L4', 23034, 22.05],
  ])('of %s with %i MiB is %f GiB', (name, mib, gib) => {
    expect(Math.abs(cudaTotalBytes(reading(name, mib, null)) / GIB - gib)).toBeLessThan(0.06);
  });

  test('is less by what the driver says it keeps, where that can be', () => {
    expect(cudaTotalBytes(reading('x', 24_576, 8.6, { memoryReservedBytes: 317 * MIB }))).toBe(24_259 * MIB);
    for (const odd of [0, 12_000 * MIB]) {
      expect(cudaTotalBytes(reading('x', 24_576, 8.6, { memoryReservedBytes: odd }))).toBe((24_576 - 450) * MIB);
    }
  });
});

describe('the utilization that is feasible now', () => {
  test('leaves room for the CUDA context', () => {
    const idle = reading('NVIDIA GeForce RTX 4080', 16376, 8.9, { memoryFreeBytes: 15_926 * MIB });
    expect(feasibleUtilization(idle)).toBe(0.97);
    const desktop = { ...idle, memoryFreeBytes: 15_400 * MIB };
    expect(feasibleUtilization(desktop)).toBe(0.94);
    expect(neededBytes(desktop, 0.94)).toBeLessThan(desktop.memoryFreeBytes);
  });

  test('is just what a start finds: vLLM compares its share with what is free when its context is there', () => {
    for (const freeMib of [15_926, 15_400, 9000, 4321]) {
      const card = reading('NVIDIA GeForce RTX 4080', 16376, 8.9, { memoryFreeBytes: freeMib * MIB });
      const share = feasibleUtilization(card) ?? 0;
      expect(neededBytes(card, share)).toBeLessThanOrEqual(freeMib * MIB);
      expect(cudaTotalBytes(card) * share).toBeLessThanOrEqual(freeForVllmBytes(freeMib * MIB));
      expect(neededBytes(card, share + 0.01)).toBeGreaterThan(freeMib * MIB);
    }
  });

  test.each([
    ['Tesla T4', 15360, 0.97],
    ['NVIDIA L4', 23034, 0.98],
    ['NVIDIA GeForce RTX 4080', 16376, 0.97],
    ['NVIDIA GeForce RTX 3060', 12288, 0.96],
    ['NVIDIA GeForce GTX 1650', 4096, 0.89],
    ['NVIDIA H100 80GB HBM3', 81559, 0.99],
  ])('on %s, whoever else uses it, is never more than a card of %i MiB has beside the context: %f', (name, mib, most) => {
    expect(utilizationLimit(reading(name, mib, null))).toBe(most);
  });

  test('is nothing on a full card and unknown where the driver does not say what is free', () => {
    expect(feasibleUtilization(reading('x', 16376, 8.9, { memoryFreeBytes: 100 * MIB }))).toBe(0);
    expect(feasibleUtilization(reading('x', 16376, 8.9))).toBeNull();
  });
});

test('a failure for want of memory names who holds it', () => {
  const failure = { message: 'The GPU is full.' } as Failure;
  const apps = [
    { pid: 4121, gpuUuid: 'GPU-x', name: 'VLLM::EngineCore', memoryBytes: 11.2 * GIB },
    { pid: 5, gpuUuid: 'GPU-x', name: 'game', memoryBytes: null },
    { pid: 6, gpuUuid: 'GPU-y', name: 'elsewhere', memoryBytes: GIB },
  ];
  expect(withHolders(failure, apps, 'GPU-x').message).toBe(
    'The GPU is full. It is held by VLLM::EngineCore (process 4121, 11.2 GiB), game (process 5).',
  );
  expect(withHolders(failure, [], 'GPU-x')).toBe(failure);
});
