import type { ServedModel } from '../../gateway/core/worker.ts';
import type { Foundling } from '../machine/life.ts';
import { Probe } from './probe.ts';
import { instanceIdOf, readProcess } from '../system/processes.ts';
import type { WorkerRecord } from '../engine/record.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';

/** A process that an earlier supervisor has left running and that is still what is wanted. */
export interface Adoptable {
  readonly record: WorkerRecord;
  readonly models: readonly ServedModel[];
}

/** What runs of one worker: its model, and those that sleep. */
export interface Adoptables {
  readonly awake: Adoptable | null;
  readonly asleep: readonly Adoptable[];
}

/** All of it. */
export function running({ awake, asleep }: Adoptables): readonly Adoptable[] {
  return awake ? [awake, ...asleep] : asleep;
}

/**
 * Looks which of the workers on record can go on under us: the same process, carrying our mark, launched with the settings that are wanted
 * now, not about to end, and answering with the right model if it has been ready. Everything else is to be swept away.
 */
export async function findAdoptable(
  records: readonly WorkerRecord[],
  specs: readonly WorkerSpec[],
): Promise<ReadonlyMap<string, Adoptables>> {
  const pairs = specs.flatMap((spec) => {
    const record = records.find(({ worker, model }) => worker === spec.id && model === spec.modelId);
    return record && isOurs(record, spec) ? [{ spec, record }] : [];
  });
  const found = (await Promise.all(pairs.map(({ spec, record }) => examine(record, spec)))).filter((adoptable) => adoptable !== null);
  return new Map(
    found.map(({ record: { worker } }) => {
      const own = found.filter(({ record }) => record.worker === worker);
      return [worker, { awake: own.find((one) => !isAsleep(one)) ?? null, asleep: own.filter(isAsleep) }];
    }),
  );
}

function isAsleep({ record }: Adoptable): boolean {
  return record.life === 'asleep';
}

function isOurs(record: WorkerRecord, spec: WorkerSpec): boolean {
  if (record.life === 'ending' || record.fingerprint !== spec.fingerprint || !record.instanceId.startsWith(spec.instancePrefix))
    return false;
  const process = readProcess(record.pid);
  return process !== null && process.startTicks === record.startTicks && instanceIdOf(record.pid) === record.instanceId;
}

async function examine(record: WorkerRecord, spec: WorkerSpec): Promise<Adoptable | null> {
  if (record.life === 'starting') return { record, models: record.served };
  const probe = new Probe(`http://127.0.0.1:${record.port}`, spec.modelId);
  if (record.life === 'asleep') {
    // Its rules may have changed since.
    const answer = spec.sleep === null ? null : await probe.isAsleep();
    return answer?.kind === 'ok' && answer.value ? { record, models: record.served } : null;
  }
  const result = await probe.serving();
  if (result.kind === 'ok') return { record, models: result.value };
  // Too busy to answer is alive; whether it gets on is judged by its pulse from now on.
  return result.miss === 'timed_out' ? { record, models: record.served } : null;
}

/** What the machine is told of a process that is taken over. `ago`: the monotonic milliseconds of a time in ISO. */
export function toFoundling(record: WorkerRecord, ago: (iso: string) => number): Foundling {
  const { incarnation, pid, startedAt, life, stage, readySince } = record;
  const known = { incarnation, pid, spawnedAtMs: ago(startedAt) };
  if (life === 'asleep') return { ...known, found: { kind: 'asleep' } };
  const isReady = life === 'ready' && readySince !== null;
  return { ...known, found: isReady ? { kind: 'ready', sinceMs: ago(readySince) } : { kind: 'loading', stage } };
}
