import type { ModelState, WorkerView } from '../core/worker.ts';

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
  /** It is only pretended; absent for a real one. */
  readonly simulated?: boolean;
}

/** How a model stands with the supervisor. */
export interface ModelLoad {
  readonly state: ModelState;
  /** The model is loaded, or will be when calls wish for it. */
  readonly loadable: boolean;
  /** Seconds until the model would be ready, were it wished for now; null when it is ready, or when nobody can say. */
  readonly etaSeconds: number | null;
  /** Why the model has failed or cannot run here at all, in plain words; null otherwise. */
  readonly reason: string | null;
  /** Its engine sleeps, so the model is back soon. Absent: an older supervisor. */
  readonly asleep?: boolean;
}

/** A worker that changes its model. */
export interface SwapView {
  readonly worker: string;
  readonly from: string | null;
  /** null: nothing is loaded afterwards. */
  readonly to: string | null;
  /** Wall-clock milliseconds. */
  readonly startedAtMs: number;
  readonly etaSeconds: number;
  /** 0..99 */
  readonly percent: number;
}

/** A card that is lent to somebody else, or was until a moment ago. */
export interface LeaseView {
  readonly id: string;
  /** The card's id, and its number. */
  readonly gpu: string;
  readonly index: number;
  readonly holder: string;
  /** preparing: its workers make way · lent: the holder has it · over: it was given back, or its time was up. */
  readonly state: 'preparing' | 'lent' | 'over';
  /** Why it is over; null: it is not. */
  readonly over: 'time' | 'given_back' | 'lapsed' | 'not_freed' | null;
  /** Wall-clock milliseconds; while it is prepared, if it were free now. */
  readonly untilMs: number;
  readonly leftSeconds: number;
  /** Those that have the card otherwise. */
  readonly workers: readonly string[];
  /** What is free of the card's memory, when that was last looked at for this lease. */
  readonly freeBytes: number | null;
  /** How far it is, or why it is over, in plain words; may be empty. */
  readonly message: string;
}

/** Where a card's memory would go with a model, beforehand and by arithmetic, in GiB. */
export interface ModelFit {
  readonly verdict: 'fits' | 'tight' | 'no';
  readonly totalGib: number;
  readonly weightsGib: number;
  /** Activations, graphs and libraries. */
  readonly otherGib: number;
  /** 0 where nothing is left. */
  readonly kvCacheGib: number;
  readonly contextTokens: number;
  /** Requests of the full length at once. */
  readonly concurrency: number;
  /** In plain words. */
  readonly reason: string;
}

/** A model the supervisor knows, loaded or not. */
export interface KnownModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly source: string;
  readonly capabilities: readonly string[];
  readonly maxModelLen: number | null;
  /** null: its dimensions or the card's memory are not known. Absent: an older supervisor. */
  readonly fit?: ModelFit | null;
}

/** An older supervisor does not say how its models stand. */
export type SupervisedModel = KnownModel & Partial<ModelLoad>;

/**
 * Everything the supervisor tells the gateway. Its control API, on a Unix socket or loopback port:
 *   GET  /v1/state                        one snapshot
 *   GET  /v1/watch                        a snapshot a line (NDJSON), at once, after every change, and every 5 s as a sign of life
 *   POST /v1/workers/{id}/restart|drain|undrain   202, 404, 409
 *   POST /v1/models/{id}/load             202, 404, 409; an operator wants it now
 *   POST /v1/models/{id}/load?waiting=N   the same for N calls that wait for it, repeated while they do
 *   POST /v1/models/{id}/unload           202, 404, 409
 *   POST /v1/gpus/lease?id=ID[&gpu=INDEX|UUID]&minutes=N&holder=NAME[&lapse=SECONDS][&grace=SECONDS]   202, 404, 409
 *                                         the same id: for longer; so is the same name where both say named=true. The grace is the last
 *                                         of the minutes, and promised to nobody
 *   POST /v1/gpus/lease?id=ID[&gpu=…]     the same lease goes on: told more often than its lapse
 *   POST /v1/gpus/back[?gpu=…][&id=ID]    202, 404, 409; the card is given back
 *   POST /v1/stop                         202, 409; stops every worker, then the supervisor
 *   POST /v1/stop?leave=engines           202; the supervisor ends, the workers go on until the next one takes them over
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
  /** Absent: an older supervisor. */
  readonly swaps?: readonly SwapView[];
  /** Absent: an older supervisor. */
  readonly leases?: readonly LeaseView[];
  /** The mark of the settings that the supervisor was started with (settings-mark.ts). Absent: an older supervisor. */
  readonly settingsMark?: string;
}

/** How the gateway stands with its supervisor. Times are monotonic milliseconds. */
export type SupervisorLink =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected'; readonly heardAt: number }
  /** What the last snapshot says still stands, but may be out of date. */
  | { readonly kind: 'away'; readonly since: number; readonly reason: string };
