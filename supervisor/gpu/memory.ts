import type { GpuReading } from './gpu.ts';

const MIB = 2 ** 20;

/** CUDA hands out about this much less than nvidia-smi calls the card's total, where the driver does not say how much it keeps. */
const CUDA_RESERVE_BYTES = 450 * MIB;

/** What a process takes before vLLM looks at what is free: the CUDA context. */
export const CONTEXT_BYTES = 360 * MIB;

/** What the driver may show as used on a card that nobody uses. */
export const IDLE_BYTES = 32 * MIB;

/** More than this no card keeps for itself: a greater figure means something else. */
const MAX_RESERVE_BYTES = 2048 * MIB;

/** Left of a card that is shared, or taken to its limit: graphs turn out larger than estimated, and memory is lost in gaps. */
const UNFORESEEN_SHARE = 0.03;

type Memory = Pick<GpuReading, 'memoryTotalBytes' | 'memoryReservedBytes'>;

/** The memory that CUDA divides: what vLLM takes its share of. */
export function cudaTotalBytes({ memoryTotalBytes, memoryReservedBytes }: Memory): number {
  const isKnown = typeof memoryReservedBytes === 'number' && memoryReservedBytes > 0 && memoryReservedBytes <= MAX_RESERVE_BYTES;
  return Math.max(0, memoryTotalBytes - (isKnown ? memoryReservedBytes : CUDA_RESERVE_BYTES));
}

/** What must be free before a start, in bytes: vLLM insists on its share of what CUDA hands out when its CUDA context is there already. */
export function neededBytes(gpu: Memory, utilization: number): number {
  return cudaTotalBytes(gpu) * utilization + CONTEXT_BYTES;
}

/** What vLLM would find free, in bytes, where `freeBytes` are free before it starts. */
export function freeForVllmBytes(freeBytes: number): number {
  return Math.max(0, freeBytes - CONTEXT_BYTES);
}

/** The largest gpu_memory_utilization with which vLLM ever starts on this card, rounded down to a hundredth: when nobody else uses it. */
export function utilizationLimit(gpu: Memory): number {
  const total = cudaTotalBytes(gpu);
  return share(freeForVllmBytes(total - IDLE_BYTES), total);
}

/**
 * The largest gpu_memory_utilization with which vLLM would start now, rounded down to a hundredth; null when the driver does not say
 * what is free. vLLM compares with what is free after the CUDA context exists.
 */
export function feasibleUtilization(gpu: Memory & Pick<GpuReading, 'memoryFreeBytes'>): number | null {
  const total = cudaTotalBytes(gpu);
  if (gpu.memoryFreeBytes === null || total === 0) return null;
  return share(freeForVllmBytes(gpu.memoryFreeBytes), total);
}

/** What to ask for where `share` is the most that can be had: an engine that takes all of it runs out of memory in the middle of its start. */
export function comfortable(share: number): number {
  return Math.max(0, Math.round((share - UNFORESEEN_SHARE) * 100) / 100);
}

function share(bytes: number, total: number): number {
  // A hundredth that arithmetic puts just below its place is not lost.
  return total === 0 ? 0 : Math.floor((bytes / total) * 100 + 1e-9) / 100;
}
