import type { WorkerView } from './worker.ts';

/** A GPU as the supervisor sees it. Memory in bytes; null where the driver does not say. */
export interface GpuView {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number | null;
  readonly utilization: number | null;
  readonly temperatureCelsius: number | null;
  readonly powerWatts: number | null;
}

/** A model the supervisor knows, loaded or not. */
export interface SupervisedModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly source: string;
  readonly capabilities: readonly string[];
  readonly maxModelLen: number | null;
}

/**
 * Everything the supervisor tells the gateway. Its control API, on a Unix socket or loopback port:
 *   GET  /v1/state                        one snapshot
 *   GET  /v1/watch                        a snapshot a line (NDJSON), at once, after every change, and every 5 s as a sign of life
 *   POST /v1/workers/{id}/restart|drain   202, 404, 409
 *   POST /v1/stop                         202; stops every worker, then the supervisor
 */
export interface SupervisorSnapshot {
  readonly revision: number;
  readonly pid: number;
  readonly version: string;
  readonly engine: 'vllm' | 'sim';
  /** Why this engine was chosen, in plain words. */
  readonly engineReason: string;
  readonly vllmVersion: string | null;
  readonly profile: string;
  readonly tuning: string;
  readonly gpus: readonly GpuView[];
  /** The first is the default. */
  readonly models: readonly SupervisedModel[];
  readonly workers: readonly WorkerView[];
}
