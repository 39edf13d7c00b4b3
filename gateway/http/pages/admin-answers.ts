import type { Degradation, ModelState, WorkerFailure, WorkerStage, WorkerState } from '../../core/worker.ts';
import type { Unserved } from '../../core/pools/unserved.ts';
import type { KeyList } from '../../keys/key-list.ts';
import type { LeaseView, ModelFit } from '../../link/snapshot.ts';
import type { runtimeBody } from '../../telemetry/runtime.ts';
import type { statsBody } from '../../telemetry/stats.ts';

// What the operator's side of the gateway answers, as JSON: for the handlers that write it and for the command line that reads it.

/** GET /admin/status. Seconds are whole; null where nobody can say. */
export interface AdminStatus {
  readonly version: string;
  /**
   * The process to send signals to; `processes`: those that serve, where several do. `draining`: it ends, when what flows has ended or its
   * time is up; an earlier version does not say. `sharing`: how many gateways share the workers, this one included, where any may.
   */
  readonly gateway: {
    readonly pid: number;
    readonly processes?: readonly number[];
    readonly draining?: boolean;
    readonly sharing?: number;
  };
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
  /** Where workers are looked for, in the order of the settings; an earlier version does not say. */
  readonly sources?: readonly SourceStatus[];
  /** The server of state.url; null where there is none; an earlier version does not say. */
  readonly store?: StoreStatus | null;
  /** Changes of model that are under way. */
  readonly swaps: readonly SwapStatus[];
  /** Cards that are lent to others, or are made ready for them. */
  readonly leases: readonly LeaseStatus[];
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
  /** The models behind its name; null: it is one itself. */
  readonly pool: readonly string[] | null;
  /** Models that answer its calls where it cannot. */
  readonly fallback: readonly string[];
  /** Those of both that no worker serves, once all workers have said what they serve; absent: none, or not known. */
  readonly unserved?: readonly Unserved[];
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
  /** What found it; null: the settings name it, or our supervisor launched it. */
  readonly source: string | null;
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
  /** Calls that this gateway may have there now, where others share it. */
  readonly places?: number;
  readonly requests_running: number;
  readonly requests_waiting: number;
  readonly kv_cache_usage_ratio: number;
}

export interface SourceStatus {
  /** "kubernetes default/vllm", "dns vllm.example:8000" */
  readonly source: string;
  /** null: it has not been heard of yet. */
  readonly answers: boolean | null;
  /** What is wrong: it goes on from the source's name. */
  readonly message: string | null;
  readonly workers: number;
  readonly ending: number;
}

export interface StoreStatus {
  /** Whether it has answered when it was asked last. */
  readonly answers: boolean;
  /** What holds of limits and budgets while it does not (state.when_unavailable). */
  readonly when_unavailable: 'local' | 'allow' | 'deny';
}

export interface SwapStatus {
  readonly worker: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly since_seconds: number;
  readonly eta_seconds: number;
  readonly percent: number;
}

/** A card in somebody else's hands; `over`: until a moment ago, and why it is not any more. */
export interface LeaseStatus {
  readonly id: string;
  /** Its index, as in `gpus`. */
  readonly gpu: number;
  readonly uuid: string;
  readonly holder: string;
  /** preparing: its workers make way · lent: the holder has it · over */
  readonly state: LeaseView['state'];
  readonly over: LeaseView['over'];
  /** ISO time; while it is made ready, if it were free now. */
  readonly until: string;
  readonly left_seconds: number;
  /** Of its memory, when that was last looked at for the lease. */
  readonly free_bytes: number | null;
  readonly message: string;
  /** Those that have the card otherwise, with the calls that they have. */
  readonly workers: readonly { readonly id: string; readonly state: WorkerState; readonly in_flight: number }[];
}

/** POST /admin/gpu/lease: 202 while the card is made ready, 200 once the holder has it. */
export type LeaseTold = LeaseStatus & { readonly accepted: true; readonly told: string };

/** GET /admin/gpu/lease: also those that have ended within the last two minutes. */
export interface LeaseList {
  readonly leases: readonly LeaseStatus[];
}

/** DELETE /admin/gpu/lease, and POST with `end`. */
export interface LeaseEnded {
  readonly accepted: true;
  readonly told: string;
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
