import type { Clock } from '../../core/clock.ts';
import type { GpuView, SupervisedModel, SupervisorLink, SupervisorSnapshot, SwapView } from '../../link/snapshot.ts';
import { nearestName } from '../../config/schema/nearest-name.ts';
import { unservedNames } from '../../core/pools/unserved.ts';
import { baseUrlOf, type ModelEntry, type Worker, type WorkerDirectory, type WorkerFailure } from '../../core/worker.ts';
import type { SourceState } from '../../core/finding/found.ts';
import { leaseStatus } from './lease-status.ts';
import type { AdminStatus, GpuStatus, ModelStatus, SourceStatus, SupervisorStatus, SwapStatus, WorkerStatus } from './admin-answers.ts';

type Recall = (worker: string) => WorkerFailure | null;

/**
 * The body of GET /admin/status: what runs, as what, since when, and what was changed or went wrong. `supervised`: a supervisor launches
 * the workers, whether or not it has been heard of yet. `recall`: a worker's last failure, where its view tells of none any more.
 */
export function adminStatus(
  snapshot: SupervisorSnapshot | null,
  supervised: boolean,
  link: SupervisorLink | null,
  directory: WorkerDirectory,
  clock: Clock,
  version: string,
  recall: Recall = () => null,
  draining = false,
): AdminStatus {
  return {
    version,
    gateway: { pid: process.pid, draining },
    supervised,
    supervisor: snapshot === null ? null : supervisorStatus(snapshot.pid, link, clock),
    engine:
      snapshot === null
        ? null
        : { kind: snapshot.engine, simulated: snapshot.engine === 'sim', reason: snapshot.engineReason, version: snapshot.vllmVersion },
    gpus: (snapshot?.gpus ?? []).map(gpuStatus),
    profile: snapshot?.profile ?? null,
    tuning: snapshot?.tuning ?? null,
    models: directory.models().map((model) =>
      modelStatus(
        model,
        snapshot?.models.find(({ id }) => id === model.id),
      ),
    ),
    workers: directory.workers().map((worker) => workerStatus(worker, snapshot?.gpus ?? [], clock, recall)),
    leases: (snapshot?.leases ?? []).filter(({ state }) => state !== 'over').map((lease) => leaseStatus(lease, directory)),
    swaps: (link?.kind === 'away' ? [] : (snapshot?.swaps ?? [])).map((swap) => swapStatus(swap, clock)),
  };
}

/** Where workers are looked for, as the status tells it. */
export function sourceStatus(sources: readonly SourceState[]): SourceStatus[] {
  return sources.map(({ source, isUp, message, workers, ending }) => ({ source, answers: isUp, message, workers, ending }));
}

/** The same with what is known of workers that nobody launches here: where they are looked for, and names that none of them serves. */
export function statusOfFound(
  status: AdminStatus,
  sources: readonly SourceState[],
  directory: Pick<WorkerDirectory, 'workers'>,
): AdminStatus {
  const workers = directory.workers();
  const isKnown = workers.length > 0 && workers.every(hasSaid) && sources.every(({ isUp }) => isUp === true);
  const served = new Set(workers.flatMap(({ view }) => view.models.map(({ id }) => id)));
  const unserved = isKnown && !status.supervised ? unservedNames(status.models, served, nearestName) : NONE_UNSERVED;
  const models = status.models.map((model) => {
    const names = unserved.get(model.id);
    return names === undefined ? model : { ...model, unserved: names };
  });
  return { ...status, models, sources: sourceStatus(sources) };
}

const NONE_UNSERVED: ReturnType<typeof unservedNames> = new Map();

/** What one that is not reached served before may not be what it serves when it is back. */
function hasSaid({ view: { state, models } }: Worker): boolean {
  return models.length > 0 && (state === 'ready' || state === 'draining' || state === 'drained');
}

/** The same of one of several gateways that share the workers. `placesAt`: what of a worker's places is this one's. */
export function sharedStatus(
  status: AdminStatus,
  gateways: number,
  directory: Pick<WorkerDirectory, 'workers'>,
  placesAt: (worker: Worker) => number,
): AdminStatus {
  const places = new Map(directory.workers().map((worker) => [worker.id, placesAt(worker)]));
  return {
    ...status,
    gateway: { ...status.gateway, sharing: gateways },
    workers: status.workers.map((worker) => ({ ...worker, places: places.get(worker.id) ?? 0 })),
  };
}

const HISTORY_MS = 3_600_000;

function supervisorStatus(pid: number, link: SupervisorLink | null, clock: Clock): SupervisorStatus {
  if (link?.kind !== 'away') return { pid, answers: true, away_seconds: null, reason: null };
  return { pid, answers: false, away_seconds: Math.round((clock.now() - link.since) / 1000), reason: link.reason };
}

function swapStatus({ worker, from, to, startedAtMs, etaSeconds, percent }: SwapView, clock: Clock): SwapStatus {
  return {
    worker,
    from,
    to,
    since_seconds: Math.max(0, Math.round((clock.wall() - startedAtMs) / 1000)),
    eta_seconds: etaSeconds,
    percent,
  };
}

function workerStatus({ id, view, load, inFlight }: Worker, gpus: readonly GpuView[], clock: Clock, recall: Recall): WorkerStatus {
  const { startedAtMs, lastFailure } = view;
  return {
    id,
    model: view.models[0]?.id ?? null,
    gpus: view.gpus?.map((uuid) => gpus.find((gpu) => gpu.uuid === uuid)?.index ?? -1).filter((index) => index >= 0) ?? null,
    profile: view.profile,
    state: view.state,
    stage: view.stage,
    pid: view.pid,
    port: view.port,
    url: baseUrlOf(view),
    source: view.source ?? null,
    engine: view.engine,
    engine_version: view.engineVersion ?? null,
    uptime_seconds: startedAtMs === null ? null : Math.max(0, Math.round((clock.wall() - startedAtMs) / 1000)),
    restarts: view.restarts,
    percent: view.percent ?? null,
    eta_seconds: view.etaSeconds,
    engine_args: view.args,
    degradation: view.degradation,
    last_failure: newsOf(lastFailure ?? recall(id), view, clock),
    log_file: view.logFile ?? null,
    in_flight: inFlight,
    requests_running: load.running,
    requests_waiting: load.waiting,
    kv_cache_usage_ratio: load.kvUsage,
  };
}

/** A failure before a worker's present start, which has served well for an hour since, is history: the events tell of it. */
function newsOf(failure: WorkerFailure | null, { state, startedAtMs }: Worker['view'], clock: Clock): WorkerFailure | null {
  if (failure === null || state !== 'ready' || startedAtMs === null) return failure;
  return Date.parse(failure.at) < startedAtMs && clock.wall() - startedAtMs > HISTORY_MS ? null : failure;
}

function modelStatus(model: ModelEntry, supervised: SupervisedModel | undefined): ModelStatus {
  const { id, aliases, state, maxModelLen, profile, capabilities, etaSeconds, pool = null, fallback = [] } = model;
  const { reason = null, asleep = false, fit = null } = supervised ?? {};
  const shown = { id, aliases, state, max_model_len: maxModelLen, profile, capabilities, eta_seconds: etaSeconds };
  return { ...shown, reason, asleep, pool, fallback, fit };
}

function gpuStatus(gpu: GpuView): GpuStatus {
  return {
    index: gpu.index,
    uuid: gpu.uuid,
    name: gpu.name,
    memory_total_bytes: gpu.memoryTotalBytes,
    memory_used_bytes: gpu.memoryUsedBytes,
    utilization_ratio: gpu.utilization,
    temperature_celsius: gpu.temperatureCelsius,
    power_watts: gpu.powerWatts,
    simulated: gpu.simulated ?? false,
  };
}
