import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { GpuReading } from './gpu.ts';
import { writeWhole } from '../system/write-whole.ts';

const text = z.string().nullable();
const amount = z.number().nullable();
const schema = z.object({
  at: z.string(),
  gpus: z
    .array(
      z.object({
        index: z.number(),
        uuid: z.string(),
        name: z.string(),
        memoryTotalBytes: z.number(),
        memoryUsedBytes: amount,
        memoryFreeBytes: amount,
        memoryReservedBytes: amount,
        utilization: amount,
        temperatureCelsius: amount,
        powerWatts: amount,
        computeCap: amount,
        driverVersion: text,
        display: z.boolean(),
        parentUuid: text,
        fault: text,
      }),
    )
    .min(1),
});

interface KnownGpus {
  /** ISO time at which they were seen. */
  readonly at: string;
  readonly gpus: readonly GpuReading[];
}

/** The GPUs that were seen by an earlier run; null where none were, or the file cannot be read. */
export function recallGpus(file: string): KnownGpus | null {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}

/** Keeps them for a run that cannot see them. @throws when the disk does not take it */
export function rememberGpus(file: string, known: KnownGpus): void {
  writeWhole(file, JSON.stringify(known));
}
