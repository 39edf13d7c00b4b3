import { existsSync } from 'node:fs';
import type { GpuFinding } from './report.ts';
import { describeApp } from '../engine/free-memory.ts';
import type { ComputeApp, GpuReading, GpuSurvey } from '../gpu/gpu.ts';
import { NO_CARDS } from '../gpu/gpu.ts';
import { driverAdvice } from '../gpu/driver.ts';
import { comfortable, cudaTotalBytes, feasibleUtilization, neededBytes, utilizationLimit } from '../gpu/memory.ts';

const GIB = 2 ** 30;

interface GpuExamination {
  readonly findings: readonly GpuFinding[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Judges what nvidia-smi said. `cuda` is what the installed vLLM was built for; null where that is not known. */
export function examineGpus({ gpus, problem }: GpuSurvey, apps: readonly ComputeApp[], cuda: string | null): GpuExamination {
  const problems = problem === null ? [] : describeProblem(problem);
  const advice = gpus.map((gpu) => driverAdvice(gpu, cuda));
  const faults = gpus.flatMap(({ index, name, fault }) => (fault === null ? [] : [`GPU ${index} (${name}): ${fault}.`]));
  const blocked = advice.flatMap(({ kind, message }) => (kind === 'blocked' ? [message] : []));
  const doubtful = advice.flatMap(({ kind, message }) => (kind === 'doubtful' ? [message] : []));
  const allBroken = gpus.length > 0 && faults.length === gpus.length;
  const mig = gpus.some(({ parentUuid }) => parentUuid !== null);
  return {
    findings: gpus.map((gpu, index) => toFinding(gpu, apps, advice[index]?.message ?? '')),
    problems: [...problems, ...(allBroken ? faults : []), ...new Set(blocked)],
    warnings: [
      ...(allBroken ? [] : faults),
      ...new Set(doubtful),
      ...(mig
        ? ['MIG instances are chosen by their ids, which some versions of vLLM do not understand; their memory is taken from their names.']
        : []),
    ],
  };
}

function describeProblem({ kind, reason }: NonNullable<GpuSurvey['problem']>): string[] {
  if (kind === 'missing')
    return existsSync('/proc/driver/nvidia/gpus')
      ? ['The NVIDIA driver is loaded, but there is no nvidia-smi: install the driver’s utilities.']
      : [];
  if (NO_CARDS.test(reason)) return [];
  return [`The GPUs cannot be read: ${reason.replace(/\.$/, '')}. Until nvidia-smi works, vLLM does not either.`];
}

/** What stands in the way of a start that insists on `utilization` of a GPU; null when nothing does. */
export function memoryObstacle(gpu: GpuReading, utilization: number, least: number | null, apps: readonly ComputeApp[]): string | null {
  const feasible = feasibleUtilization(gpu);
  if (feasible === null || feasible >= utilization) return null;
  const holders = apps.filter(({ gpuUuid }) => gpuUuid === gpu.uuid).map(describeApp);
  const held = holders.length === 0 ? '' : ` It is held by ${holders.join(', ')}.`;
  const share = comfortable(feasible);
  const lower =
    least !== null && least <= share
      ? ` The model fits with gpu_memory_utilization ${share} as well.`
      : ' The model does not fit in what is free.';
  if (utilization > utilizationLimit(gpu)) {
    const never = `gpu_memory_utilization ${utilization} is never free on GPU ${gpu.index}, even when nothing else runs on it`;
    return `${never}: CUDA itself takes part of its ${gib(cudaTotalBytes(gpu))} GiB.${held}${lower}`;
  }
  const free = `${gib(gpu.memoryFreeBytes ?? 0)} GiB of ${gib(cudaTotalBytes(gpu))} are free on GPU ${gpu.index}`;
  const asks = `gpu_memory_utilization ${utilization} and CUDA itself take ${gib(neededBytes(gpu, utilization))}`;
  return `${free}, and ${asks}: vLLM would refuse to start.${held}${lower}`;
}

function toFinding(gpu: GpuReading, apps: readonly ComputeApp[], advice: string): GpuFinding {
  return {
    index: gpu.index,
    uuid: gpu.uuid,
    name: gpu.name,
    memory_gib: round(gpu.memoryTotalBytes),
    usable_gib: round(cudaTotalBytes(gpu)),
    free_gib: gpu.memoryFreeBytes === null ? null : round(gpu.memoryFreeBytes),
    compute_cap: gpu.computeCap,
    driver: gpu.driverVersion,
    driver_advice: advice,
    utilization_ratio: gpu.utilization,
    temperature_celsius: gpu.temperatureCelsius,
    power_watts: gpu.powerWatts,
    display: gpu.display,
    simulated: gpu.simulated ?? false,
    fault: gpu.fault,
    held_by: apps
      .filter(({ gpuUuid }) => gpuUuid === gpu.uuid)
      .map(({ pid, name, memoryBytes }) => ({ pid, name, memory_gib: memoryBytes === null ? null : round(memoryBytes) })),
  };
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}

function round(bytes: number): number {
  return Math.round((bytes / GIB) * 100) / 100;
}
