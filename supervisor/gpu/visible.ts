import type { GpuReading } from './gpu.ts';

/**
 * The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; nvidia-smi does not heed it. As CUDA does it: entries are indices (in the
 * order of the bus) or beginnings of ids, and the first that fits nothing hides itself and all after it.
 */
export function visibleGpus(gpus: readonly GpuReading[], visible: string | undefined): readonly GpuReading[] {
  if (visible === undefined) return gpus;
  const chosen: GpuReading[] = [];
  for (const entry of visible.split(',').map((part) => part.trim())) {
    const gpu = gpus.find((candidate) => isMeant(entry, candidate));
    if (!gpu || chosen.includes(gpu)) break;
    chosen.push(gpu);
  }
  return chosen;
}

/** An index is that of a whole card; a part of one has only its id. */
function isMeant(entry: string, { index, uuid, parentUuid }: GpuReading): boolean {
  if (/^(?:GPU|MIG)-/.test(entry)) return uuid.startsWith(entry);
  return parentUuid === null && String(index) === entry;
}

/** Those that can be used now. */
export function usableGpus(gpus: readonly GpuReading[]): readonly GpuReading[] {
  return gpus.filter(({ fault }) => fault === null);
}
