import type { Clock } from '../gateway/core/clock.ts';
import { sleep } from '../gateway/core/clock.ts';
import type { Failure } from './failure.ts';
import { vramBusy } from './failure.ts';
import type { GpuProbe, GpuReading } from './gpu.ts';

/** CUDA hands out this much less than nvidia-smi calls the card's total. */
export const CUDA_RESERVE_BYTES = 450 * 2 ** 20;

const POLL_MS = 500;
const PATIENCE_MS = 60_000;

/** What vLLM insists on finding free when it starts: its share of what CUDA hands out. */
export function neededBytes(gpu: GpuReading, utilization: number): number {
  return Math.max(0, gpu.memoryTotalBytes - CUDA_RESERVE_BYTES) * utilization;
}

/**
 * Waits until a GPU has room for a start: the memory of a process that has just ended comes back only after a while.
 * Resolves with null when it has (or when nobody can say), or with the failure. `isOver` ends the waiting early.
 */
export async function awaitFreeMemory(
  clock: Clock,
  probe: GpuProbe,
  gpuUuid: string,
  utilization: number,
  isOver: () => boolean,
): Promise<Failure | null> {
  const untilMs = clock.now() + PATIENCE_MS;
  for (;;) {
    const gpu = (await probe.read()).find(({ uuid }) => uuid === gpuUuid);
    if (!gpu || gpu.memoryFreeBytes === null || isOver()) return null;
    const wanted = neededBytes(gpu, utilization);
    if (gpu.memoryFreeBytes >= wanted) return null;
    if (clock.now() >= untilMs) return vramBusy(wanted, gpu.memoryFreeBytes);
    await sleep(clock, POLL_MS);
  }
}
