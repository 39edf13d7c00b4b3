import type { GpuReading } from '../gpu/gpu.ts';

/** The GPUs of one worker. */
interface Placement {
  readonly gpus: readonly GpuReading[];
  /** Workers that have to divide the fullest of them, this one included. */
  readonly sharers: number;
}

/** Gives each of `replicas` workers `gpusEach` GPUs: of its own as long as there are any, then in turn. Without GPUs each has none. */
export function placeWorkers(replicas: number, gpusEach: number, gpus: readonly GpuReading[]): readonly Placement[] {
  const size = Math.min(gpusEach, gpus.length);
  const groups = Array.from({ length: replicas }, (_, worker) =>
    Array.from({ length: size }, (__, nth) => gpus[(worker * size + nth) % gpus.length] as GpuReading),
  );
  const users = (gpu: GpuReading) => groups.filter((group) => group.includes(gpu)).length;
  return groups.map((group) => ({ gpus: group, sharers: Math.max(1, ...group.map(users)) }));
}
