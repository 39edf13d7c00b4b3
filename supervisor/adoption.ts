import type { ServedModel } from '../gateway/core/worker.ts';
import { Probe } from './probe.ts';
import { instanceIdOf, readProcess } from './processes.ts';
import type { WorkerRecord } from './worker-record.ts';
import type { WorkerSpec } from './worker-spec.ts';

/** A worker that an earlier supervisor has left running and that is still what is wanted. */
export interface Adoptable {
  readonly record: WorkerRecord;
  readonly models: readonly ServedModel[];
}

/**
 * Looks which of the workers on record can go on under us: the same process, carrying our mark, launched with the settings that are wanted
 * now, not about to end, and answering with the right model if it has been ready. Everything else is to be swept away.
 */
export async function findAdoptable(
  records: readonly WorkerRecord[],
  specs: readonly WorkerSpec[],
): Promise<ReadonlyMap<string, Adoptable>> {
  const pairs = specs.flatMap((spec) => {
    const record = records.find(({ worker }) => worker === spec.id);
    return record && isOurs(record, spec) ? [{ spec, record }] : [];
  });
  const found = await Promise.all(pairs.map(({ spec, record }) => examine(record, spec)));
  return new Map(found.flatMap((adoptable) => (adoptable ? [[adoptable.record.worker, adoptable] as const] : [])));
}

function isOurs(record: WorkerRecord, spec: WorkerSpec): boolean {
  if (record.life === 'ending' || record.fingerprint !== spec.fingerprint || !record.instanceId.startsWith(spec.instancePrefix))
    return false;
  const process = readProcess(record.pid);
  return process !== null && process.startTicks === record.startTicks && instanceIdOf(record.pid) === record.instanceId;
}

async function examine(record: WorkerRecord, spec: WorkerSpec): Promise<Adoptable | null> {
  if (record.life === 'starting') return { record, models: record.served };
  const result = await new Probe(`http://127.0.0.1:${record.port}`, spec.modelId, spec.capabilities).serving();
  if (result.kind === 'ok') return { record, models: result.value };
  // Too busy to answer is alive; whether it gets on is judged by its pulse from now on.
  return result.miss === 'timed_out' ? { record, models: record.served } : null;
}
