import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { WORKER_STAGES } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import type { Evidence } from '../failure/row.ts';
import { FAILURE_PHASES, RETRY_RULES } from '../failure/row.ts';
import { FAILURE_CLASSES } from '../failure/table.ts';
import { fileNameOf } from '../system/file-name.ts';
import { writeWhole } from '../system/write-whole.ts';

/** The record may be of another version, with words for a failure that mean nothing here. */
const failure: z.ZodType<Failure> = z.object({
  class: z.enum(FAILURE_CLASSES).catch('unknown'),
  phase: z.enum(FAILURE_PHASES),
  retry: z.enum(RETRY_RULES),
  signature: z.string(),
  message: z.string(),
  advice: z.string(),
  lastWords: z.string(),
  evidence: z.record(z.string(), z.number()) as z.ZodType<Evidence>,
});

const recordSchema = z.object({
  worker: z.string(),
  pid: z.int().positive(),
  /** With the pid it names the process for good: a pid alone is used again. null where the system does not say. */
  startTicks: z.int().nullable(),
  instanceId: z.string(),
  /** The how-manieth start it was. */
  incarnation: z.int().positive(),
  /** How many of the starts were because somebody wanted its model; a record of an earlier version does not say. */
  loads: z.int().positive().default(1),
  port: z.int(),
  model: z.string(),
  /** The GPUs it was launched on; a record of an earlier version does not say. */
  gpuUuids: z.array(z.string()).default([]),
  /** Of the settings that it runs with; another means that it is not what is wanted any more. */
  fingerprint: z.string(),
  startedAt: z.string(),
  /** asleep: it holds next to no GPU memory · ending: it has been told to end, to sleep or to wake, and is neither yet. */
  life: z.enum(['starting', 'ready', 'asleep', 'ending']),
  /** How deep it sleeps, where it does; a record of an earlier version does not say. */
  sleepLevel: z.literal([1, 2]).default(1),
  stage: z.enum(WORKER_STAGES),
  readySince: z.string().nullable(),
  /** Names of the shared memory that its processes had mapped; a record of an earlier version does not say. */
  segments: z.array(z.string()).default([]),
  /** How far its log has been read, in bytes. */
  logOffset: z.int().nonnegative(),
  served: z.array(
    z.object({ id: z.string(), root: z.string().nullable(), parent: z.string().nullable(), maxModelLen: z.number().nullable() }),
  ),
  version: z.string().nullable(),
  // What went wrong before is not worth a worker that goes on well.
  lastFailure: failure.nullable().catch(null),
  failedAt: z.string().nullable(),
});

/** What a later life of the supervisor has to know of a running worker. */
export type WorkerRecord = z.output<typeof recordSchema>;

/** Where the records of running workers lie. */
export function recordsDirectory(stateDir: string): string {
  return join(stateDir, 'workers');
}

export function writeRecord(directory: string, record: WorkerRecord): void {
  writeWhole(recordPath(directory, record), `${JSON.stringify(record)}\n`);
}

/** One that stays does no harm: who reads it looks whether that very process still runs. */
export function removeRecord(directory: string, record: Pick<WorkerRecord, 'worker' | 'model'>): void {
  try {
    rmSync(recordPath(directory, record), { force: true });
  } catch {
    // The disk is read-only, or the folder is none.
  }
}

/** Every record that can be read; what cannot is passed over. */
export function readRecords(directory: string): WorkerRecord[] {
  let files: string[];
  try {
    files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  } catch {
    return [];
  }
  return files.flatMap((file) => {
    try {
      return [recordSchema.parse(JSON.parse(readFileSync(join(directory, file), 'utf8')))];
    } catch {
      return [];
    }
  });
}

/** Where engines run, or did when their supervisor ended; those that were on no GPU are left out. In the order of their workers. */
export function runningEngines(records: readonly WorkerRecord[]): { worker: string; model: string; gpuUuids: readonly string[] }[] {
  const known = records.filter(({ gpuUuids }) => gpuUuids.length > 0).map(({ worker, model, gpuUuids }) => ({ worker, model, gpuUuids }));
  return known.toSorted((a, b) => a.worker.localeCompare(b.worker, 'en', { numeric: true }));
}

/** A worker's models have a process each when one of them sleeps. */
function recordPath(directory: string, { worker, model }: Pick<WorkerRecord, 'worker' | 'model'>): string {
  return join(directory, `${worker}.${fileNameOf(model)}.json`);
}
