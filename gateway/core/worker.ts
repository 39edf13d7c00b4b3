import type { WorkerTransport } from './transport.ts';

/**
 * A worker's life, as its supervisor sees it. A listed worker is only ever starting (not yet seen healthy), ready, or on an operator's word
 * draining and drained. Drained: out of service until an operator says otherwise.
 */
export type WorkerState = 'idle' | 'starting' | 'warming' | 'ready' | 'draining' | 'drained' | 'stopping' | 'backoff' | 'failed';

/** How far a start has come; each implies the ones before it. */
export const WORKER_STAGES = ['process', 'model_loaded', 'cuda_graphs', 'warmup', 'ready'] as const;
export type WorkerStage = (typeof WORKER_STAGES)[number];

export interface WorkerFailure {
  readonly class: string;
  readonly phase: string;
  /** Plain words for the operator. */
  readonly message: string;
  readonly advice: string;
  /** ISO time. */
  readonly at: string;
}

/** One change that the supervisor made to what the profile asked for. */
export interface Degradation {
  readonly setting: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

/** What a worker's supervisor may want to be kept away from it, because its card has no memory for it. */
export const REFUSABLE_FEATURES = ['prompt_logprobs'] as const;
export type RefusedFeature = (typeof REFUSABLE_FEATURES)[number];

/** vLLM's own words: as requests come, or by the `priority` that they carry. */
export type SchedulingPolicy = 'fcfs' | 'priority';

/** A model as a worker serves it. */
export interface ServedModel {
  readonly id: string;
  readonly root: string | null;
  readonly parent: string | null;
  readonly maxModelLen: number | null;
  /** The worker is a gateway, and has nobody for it just now. Absent: it can serve it. */
  readonly isIdle?: boolean;
}

/** What is known of one worker at one moment. Crosses the supervisor's control API as JSON. */
export interface WorkerView {
  readonly id: string;
  /** http(s)://host:port, no trailing slash. */
  readonly url: string;
  /** Where the paths that begin with /v1 lie there, such as /openai/v1. Absent: at /v1. */
  readonly apiPath?: string;
  readonly models: readonly ServedModel[];
  readonly state: WorkerState;
  readonly stage: WorkerStage | null;
  /** Sequences that the engine runs at once. */
  readonly maxNumSeqs: number;
  /** In which order it takes up what waits in it. Absent: nobody knows, which is as it comes. */
  readonly scheduling?: SchedulingPolicy;
  /** Those of one group share what comes to it. Absent: main. */
  readonly group?: string;
  readonly pid: number | null;
  readonly port: number | null;
  readonly startedAtMs: number | null;
  readonly restarts: number;
  readonly degradation: readonly Degradation[];
  /** Calls that ask for any of this must not be sent to it. Absent: none are known of. */
  readonly refuses?: readonly RefusedFeature[];
  readonly lastFailure: WorkerFailure | null;
  /** Seconds until ready, when there is something to base it on. */
  readonly etaSeconds: number | null;
  /** How much of its start is behind it, 0..99; null or absent when it is not starting, or nobody can say. */
  readonly percent?: number | null;
  readonly profile: string | null;
  /** Ids of the GPUs it was given; empty: none. Absent: nobody says. */
  readonly gpus?: readonly string[];
  /** Its GPU is lent to somebody else until then, in wall-clock milliseconds. Absent: it is not. */
  readonly lent?: { readonly untilMs: number };
  /** "vllm", "sim", "sglang", "tensorrt-llm", "llama-cpp", "openai" (anything else that speaks its API), or null when unknown. */
  readonly engine: string | null;
  /** The id of the Headgate that it is, which may send calls back. null: it is none. Absent: nobody has said so. */
  readonly gateway?: string | null;
  /** As the engine tells it. Absent or null: nobody has said. */
  readonly engineVersion?: string | null;
  /** The engine's command line after `vllm serve`, when the supervisor launched it. */
  readonly args: readonly string[];
  /** What found it: "kubernetes default/vllm", "dns vllm.example:8000". Absent: the settings name it, or our supervisor launched it. */
  readonly source?: string;
  /** What tells this life at its address from others, as its source says (a pod's uid). Absent: nobody says. */
  readonly uid?: string;
  /** Where the engine's output goes. Absent or null: not launched by our supervisor, or by an older one. */
  readonly logFile?: string | null;
}

/** What a view has of which nobody has said anything yet. */
export const UNSAID = {
  stage: null,
  pid: null,
  startedAtMs: null,
  restarts: 0,
  degradation: [],
  lastFailure: null,
  etaSeconds: null,
  profile: null,
  engine: null,
  args: [],
} as const satisfies Partial<WorkerView>;

/** The group whose workers get calls when nobody says otherwise. */
export const MAIN_GROUP = 'main';

/** Where a client of its own would be sent: its url, with the path if that is not the usual one. */
export function baseUrlOf({ url, apiPath = '' }: Pick<WorkerView, 'url' | 'apiPath'>): string {
  return url + apiPath;
}

export function groupOf({ view }: { readonly view: WorkerView }): string {
  return view.group ?? MAIN_GROUP;
}

/** What the scraper read last from the worker's /metrics. */
export interface WorkerLoad {
  running: number;
  waiting: number;
  /** 0..1 of the KV cache. */
  kvUsage: number;
  /** Bytes of KV cache in all, or null. */
  kvCacheBytes: number | null;
  /** Tokens that its KV cache holds; null or absent: it does not say. */
  kvCacheTokens?: number | null;
  /** Monotonic ms of the last good scrape; null before the first. */
  scrapedAt: number | null;
  /** How long that scrape took, in ms: by so much its figures may be older. Absent before the first. */
  scrapeMs?: number;
  /** As counted by what only work moves. null: not counted. */
  work: number | null;
  /** Monotonic ms of the last scrape that found more work done, later by the time since in which no call of ours waited; null before any. */
  workedAt: number | null;
  /** Monotonic ms of the last scrape that found more work done than the one before it; null before any. */
  movedAt: number | null;
  /** Monotonic ms at which a token that we had asked it for did not come, while its counters stood still as well; null while that is not so. */
  withheldAt: number | null;
  /** When its process began, as its metrics say, in seconds since the epoch; null where they do not. Behind a proxy it may be another each time. */
  bornAt: number | null;
  /** Our own requests in flight at the time of that scrape: they are in `running + waiting` already. */
  inFlightAtScrape: number;
}

/**
 * One life of a worker: from the moment at which it became ready to its end. Two lives are the same only if they are the same object: a
 * worker that is restarted within a millisecond has another.
 */
export interface WorkerLife {
  /** Monotonic ms at which it began. */
  readonly since: number;
  /** The class of the failure that ended it, once its supervisor has said so. */
  endedBy?: string;
}

/** How a worker that tells nobody its load has answered of late. */
export interface Pace {
  /** A stream's first byte came so long after the request had been sent. */
  answered(ms: number, now: number): void;
  /** A call ended there. `failed`: by a failure of the worker, or because it had no room. */
  ended(failed: boolean, now: number): void;
  /** How many times as loaded it is to be taken for as what we have sent there says; 1 and more. */
  strain(now: number): number;
}

/** A worker as the gateway keeps it: one long-lived object per id. */
export interface Worker {
  readonly id: string;
  view: WorkerView;
  readonly load: WorkerLoad;
  /** Calls of ours that this worker has and has not finished. Written by dispatch only. */
  inFlight: number;
  /** How many of those calls the worker has to the last byte and has not begun to answer. Written by dispatch only. */
  unanswered: number;
  /** null while it is not ready. */
  life: WorkerLife | null;
  /** Absent or null: it tells its load. Written by the scraper only. */
  pace?: Pace | null;
  readonly transport: WorkerTransport;
}

export type ModelState = 'ready' | 'loading' | 'available' | 'failed';

/** A model that a client may name. */
export interface ModelEntry {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly root: string | null;
  readonly parent: string | null;
  readonly maxModelLen: number | null;
  /** Seconds since the epoch, stable for the process's life. */
  readonly created: number;
  readonly state: ModelState;
  readonly profile: string | null;
  readonly capabilities: readonly string[];
  /** Seconds until it is ready; for one that is available, were it wished for now. */
  readonly etaSeconds: number | null;
  /** The model is loaded, or its supervisor loads it when calls wait for it. */
  readonly loadable: boolean;
  /** Models whose workers take its calls, each asked by its own model's id. Absent: it is no pool. */
  readonly pool?: readonly string[];
  /** Models that its calls go to when its own workers cannot take them, the first best. Absent: none. */
  readonly fallback?: readonly string[];
}

/** The workers there are, and the models they serve. The gateway never asks where they come from. */
export interface WorkerDirectory {
  /** In a stable order. */
  workers(): readonly Worker[];
  /** The workers that serve the model and are ready. */
  readyFor(model: string): readonly Worker[];
  models(): readonly ModelEntry[];
  /** The model for a name that a client wrote (an id or an alias); null asks for the default. */
  resolve(name: string | null): ModelEntry | null;
  /** Whether its workers take calls for another model as well, because it is a pool or in one. Absent: no model is. */
  shares?(model: string): boolean;
  /** `listener` is called after every change of state, membership or models. The result takes it off. */
  onChange(listener: () => void): () => void;
  /** Frees every connection and timer. */
  close(): Promise<void>;
}

/**
 * Whether calls for a model get somewhere: a worker has it, or its supervisor changes a worker that is well over to it when they come.
 */
export function canServe(directory: WorkerDirectory, model: ModelEntry): boolean {
  if (directory.readyFor(model.id).length > 0) return true;
  return model.state === 'available' && model.loadable && directory.workers().some(({ view }) => view.state === 'ready');
}
