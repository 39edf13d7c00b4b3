import type { Degradation, ModelState, WorkerFailure, WorkerStage, WorkerState } from '../../core/worker.ts';
import type { KeyList } from '../../keys/key-list.ts';
import type { ModelFit } from '../../link/snapshot.ts';
import type { runtimeBody } from '../../telemetry/runtime.ts';
import type { statsBody } from '../../telemetry/stats.ts';

// What the operator's side of the gateway answers, as JSON: for the handlers that write it and for the command line that reads it.

/** GET /admin/status. Seconds are whole; null where nobody can say. */
export interface AdminStatus {
  readonly version: string;
  /**
   * The process to send signals to; `processes`: those that serve, where several do. `draining`: it ends, when what flows has ended or its
   * time is up; an earlier version does not say.
   */
  readonly gateway: { readonly pid: number; readonly processes?: readonly number[]; readonly draining?: boolean };
  /** A supervisor launches the workers, whether or not it has been heard of yet. */
  readonly supervised: boolean;
  /** null: none, or not heard of yet. */
  readonly supervisor: SupervisorStatus | null;
  readonly engine: EngineStatus | null;
  readonly gpus: readonly GpuStatus[];
  readonly profile: string | null;
  readonly tuning: string | null;
  readonly models: readonly ModelStatus[];
  readonly workers: readonly WorkerStatus[];
  /** Changes of model that are under way. */
  readonly swaps: readonly SwapStatus[];
}

export type SupervisorStatus = { readonly pid: number } & (
  | { readonly answers: true; readonly away_seconds: null; readonly reason: null }
  /** What it said last still stands, but may be out of date. */
  | { readonly answers: false; readonly away_seconds: number; readonly reason: string }
);

export interface EngineStatus {
  readonly kind: 'vllm' | 'sim';
  readonly simulated: boolean;
  /** Why this engine was chosen. */
  readonly reason: string;
  readonly version: string | null;
}

export interface GpuStatus {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly memory_total_bytes: number;
  readonly memory_used_bytes: number | null;
  readonly utilization_ratio: number | null;
  readonly temperature_celsius: number | null;
  readonly power_watts: number | null;
  /** Only pretended, as SIM_GPU asks. */
  readonly simulated: boolean;
}

export interface ModelStatus {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly state: ModelState;
  readonly max_model_len: number | null;
  readonly profile: string | null;
  readonly capabilities: readonly string[];
  readonly eta_seconds: number | null;
  /** Why it has failed or cannot run here at all. */
  readonly reason: string | null;
  readonly asleep: boolean;
  /** Where its card's memory would go; null where nobody can say. */
  readonly fit: ModelFit | null;
}

export interface WorkerStatus {
  readonly id: string;
  /** The first that it serves. */
  readonly model: string | null;
  /** Indices of its GPUs, as in `gpus`; null where nobody says. */
  readonly gpus: readonly number[] | null;
  readonly profile: string | null;
  readonly state: WorkerState;
  readonly stage: WorkerStage | null;
  readonly pid: number | null;
  readonly port: number | null;
  /** As in the settings, where it is listed. */
  readonly url: string;
  /** Which engine it is (`workers[].engine`; sim: the simulated one), and its version; null where nobody has said. */
  readonly engine: string | null;
  readonly engine_version: string | null;
  readonly uptime_seconds: number | null;
  readonly restarts: number;
  readonly percent: number | null;
  readonly eta_seconds: number | null;
  readonly engine_args: readonly string[];
  readonly degradation: readonly Degradation[];
  /** Over restarts of gateway and supervisor. */
  readonly last_failure: WorkerFailure | null;
  /** Where its engine's output goes; null where our supervisor has not launched it. */
  readonly log_file: string | null;
  readonly in_flight: number;
  readonly requests_running: number;
  readonly requests_waiting: number;
  readonly kv_cache_usage_ratio: number;
}

export interface SwapStatus {
  readonly worker: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly since_seconds: number;
  readonly eta_seconds: number;
  readonly percent: number;
}

/** GET /admin/config: the settings in their own shape, each with the layer that set it, secrets hidden. */
export interface AdminConfig {
  readonly file: string | null;
  readonly warnings: readonly string[];
  readonly settings: ConfigEntry;
}

/** GET /admin/keys */
export type AdminKeys = KeyList;

export type ConfigEntry =
  | { readonly value: unknown; readonly origin: string }
  | readonly ConfigEntry[]
  | { readonly [key: string]: ConfigEntry };

/** GET /debug/runtime: the process that answers; `processes`: all of them, where several are one gateway. */
export type AdminRuntime = ReturnType<typeof runtimeBody> & { readonly processes?: readonly ReturnType<typeof runtimeBody>[] };

/** GET /stats, which needs no key. */
export type Stats = ReturnType<typeof statsBody>;

/** POST /admin/reload, when the new settings hold. Dotted paths. */
export interface Reloaded {
  readonly reloaded: true;
  readonly changed: readonly string[];
  readonly needs_restart: readonly string[];
}

/** POST /admin/trial, when these settings hold, or do not any more. Dotted paths. */
export interface TrialTold {
  readonly accepted: true;
  readonly owner: string;
  readonly changed: readonly string[];
}

export type WorkerVerb = 'restart' | 'drain' | 'undrain';

/** POST /admin/workers/{id}/restart, /drain and /undrain */
export interface WorkerTold {
  readonly accepted: true;
  readonly worker: string;
  readonly action: WorkerVerb;
  readonly message: string;
}

/** POST /admin/models/{id}/load and /unload */
export interface ModelTold {
  readonly accepted: true;
  readonly model: string;
  readonly action: 'load' | 'unload';
  readonly message: string;
}
