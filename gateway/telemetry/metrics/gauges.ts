import type { Clock } from '../../core/clock.ts';
import type { BreakerState } from '../../core/events.ts';
import type { GpuView, LeaseView } from '../../link/snapshot.ts';
import { WORKER_STAGES } from '../../core/worker.ts';
import type { Worker } from '../../core/worker.ts';
import type { EventLoopMonitor } from './event-loop.ts';
import type { GaugeName } from './table.ts';
import type { Ledger, MetricSources } from './sources.ts';
import { modelInfoOf } from './model-info.ts';

/** Everything a gauge may be read from. */
interface GaugeFacts extends MetricSources {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly loop: EventLoopMonitor;
  readonly build: { readonly version: string; readonly nodeVersion: string };
}

/** Sets one series; labels in the table's order. */
type SetSeries = (value: number, ...labels: string[]) => void;
type GaugeReader = (facts: GaugeFacts, set: SetSeries) => void;

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half_open'];
/** Statuses of batches that have not ended. */
const OPEN_BATCHES = ['validating', 'in_progress', 'finalizing', 'cancelling'];
const MS_PER_SECOND = 1000;

/** One reader a gauge, called at each scrape. A series that is not set does not exist, so what has vanished is not shown. */
export const GAUGES: Readonly<Record<GaugeName, GaugeReader>> = {
  requests_in_flight: ({ figures }, set) => set(figures?.inFlight() ?? 0),
  queue_depth({ figures }, set) {
    for (const priority of ['interactive', 'batch'] as const) set(figures?.queueDepth(priority) ?? 0, priority);
  },
  batch_lines_waiting({ figures }, set) {
    const lines = figures?.batchLines() ?? null;
    if (lines !== null) set(lines.waiting);
  },
  batch_lines_running({ figures }, set) {
    const lines = figures?.batchLines() ?? null;
    if (lines !== null) set(lines.running);
  },
  batches({ figures }, set) {
    const lines = figures?.batchLines() ?? null;
    if (lines === null) return;
    for (const status of OPEN_BATCHES) set(lines.batches.get(status) ?? 0, status);
  },
  batch_completion_ratio({ figures }, set) {
    for (const [batch, done] of figures?.batchLines()?.done ?? []) set(done, batch);
  },
  batch_window_ms({ figures }, set) {
    if (figures) for (const [model, windowMs] of figures.windowMs()) if (windowMs > 0) set(windowMs, model);
  },
  breaker_state({ figures }, set) {
    if (!figures) return;
    for (const [worker, breaker] of figures.breakers()) {
      for (const state of BREAKER_STATES) set(breaker.state === state ? 1 : 0, worker, state);
    }
  },
  limit_used_ratio({ figures }, set) {
    for (const { name, limit, share } of figures?.limitsUsed() ?? []) set(share, name, limit);
  },
  cache_entries: ({ figures }, set) => set(figures?.cache().entries ?? 0),
  cache_bytes: ({ figures }, set) => set(figures?.cache().bytes ?? 0),
  sessions_active: ({ figures }, set) => set(figures?.sessions().active ?? 0),
  prefix_held_blocks: ({ figures }, set) => set(figures?.prefixes().blocks ?? 0),
  prefix_held_bytes: ({ figures }, set) => set(figures?.prefixes().bytes ?? 0),
  canary_share_ratio: ({ ledger }, set) => set(ledger.canaryShare),
  store_up({ figures }, set) {
    const isUp = figures?.storeUp() ?? null;
    if (isUp !== null) set(isUp ? 1 : 0);
  },
  discovery_up({ figures }, set) {
    for (const { source, isUp } of figures?.sources() ?? []) set(isUp === true ? 1 : 0, source);
  },
  discovery_workers({ figures }, set) {
    for (const { source, workers } of figures?.sources() ?? []) set(workers, source);
  },
  gateways({ figures }, set) {
    const gateways = figures?.gateways() ?? null;
    if (gateways !== null) set(gateways);
  },
  worker_places: eachWorker((worker, set, { figures }) => {
    if (figures && worker.view.state === 'ready') set(figures.placesAt(worker), worker.id);
  }),
  worker_ready: eachWorker((worker, set) => set(worker.view.state === 'ready' ? 1 : 0, worker.id)),
  worker_stage: eachWorker((worker, set) => {
    const reached = worker.view.stage === null ? -1 : WORKER_STAGES.indexOf(worker.view.stage);
    WORKER_STAGES.forEach((stage, index) => set(index <= reached ? 1 : 0, worker.id, stage));
  }),
  worker_degradation_level: eachWorker((worker, set) => set(worker.view.degradation.length, worker.id)),
  worker_requests_running: eachScraped((worker, set) => set(worker.load.running, worker.id)),
  worker_requests_waiting: eachScraped((worker, set) => set(worker.load.waiting, worker.id)),
  worker_kv_cache_usage_ratio: eachScraped((worker, set) => set(worker.load.kvUsage, worker.id)),
  worker_kv_cache_bytes: eachScraped((worker, set) => {
    if (worker.load.kvCacheBytes !== null) set(Math.round(worker.load.kvCacheBytes * worker.load.kvUsage), worker.id);
  }),
  worker_scrape_age_seconds: eachScraped((worker, set, { clock }) => {
    set(Math.max(0, clock.now() - (worker.load.scrapedAt ?? 0)) / MS_PER_SECOND, worker.id);
  }),
  gpu_utilization_ratio: eachGpu((gpu) => gpu.utilization),
  gpu_memory_used_bytes: eachGpu((gpu) => gpu.memoryUsedBytes),
  gpu_memory_total_bytes: eachGpu((gpu) => gpu.memoryTotalBytes),
  gpu_temperature_celsius: eachGpu((gpu) => gpu.temperatureCelsius),
  gpu_power_watts: eachGpu((gpu) => gpu.powerWatts),
  gpu_lease: eachGpu((_, lease) => (lease ? 1 : 0)),
  gpu_lease_left_seconds: eachGpu((_, lease) => lease?.leftSeconds ?? null),
  shutdown_duration_seconds: ({ ledger }, set) => set(ledger.shutdownMs / MS_PER_SECOND),
  config_last_reload_successful: ({ ledger }, set) => set(ledger.lastReloadOk ? 1 : 0),
  event_loop_delay_seconds: ({ loop }, set) => set(loop.read().p99Ms / MS_PER_SECOND),
  build_info: ({ build }, set) => set(1, build.version, build.nodeVersion),
  worker_info: eachWorker(({ id, view }, set) => set(1, id, view.engine ?? '', view.engineVersion ?? '')),
  model_info({ directory, supervisor }, set) {
    const snapshot = supervisor();
    for (const worker of directory?.workers() ?? []) for (const labels of modelInfoOf(worker.view, snapshot)) set(1, ...labels);
  },
};

function eachWorker(read: (worker: Worker, set: SetSeries, facts: GaugeFacts) => void): GaugeReader {
  return (facts, set) => {
    for (const worker of facts.directory?.workers() ?? []) read(worker, set, facts);
  };
}

/** Workers whose load has been read at least once: before that a 0 would be a guess. */
function eachScraped(read: (worker: Worker, set: SetSeries, facts: GaugeFacts) => void): GaugeReader {
  return eachWorker((worker, set, facts) => {
    if (worker.load.scrapedAt !== null) read(worker, set, facts);
  });
}

function eachGpu(read: (gpu: GpuView, lease: LeaseView | undefined) => number | null): GaugeReader {
  return ({ supervisor }, set) => {
    const { gpus = [], leases = [] } = supervisor() ?? {};
    for (const gpu of gpus) {
      const lease = leases.find((one) => one.gpu === gpu.uuid && one.state !== 'over');
      const value = read(gpu, lease);
      if (value !== null) set(value, gpuLabel(gpu));
    }
  };
}

/** A card's index in nvidia-smi's list. The MIG instances of one card share that index, so they go by their own ids. */
function gpuLabel({ index, uuid }: GpuView): string {
  return uuid.startsWith('MIG-') ? uuid : String(index);
}
