import type { Attempt } from './attempt.ts';
import type { Call, Priority } from './call.ts';
import type { FindingChanges, SourceState } from './finding/found.ts';
import type { BudgetLimit, LimitName, RefusalReason } from './errors.ts';
import type { Outcome } from './reply.ts';
import type { CallTrace } from './trace/call-trace.ts';
import type { Worker, WorkerView } from './worker.ts';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** Why an answer is not kept any more. */
export type Eviction = 'full' | 'expired' | 'stale' | 'replaced';
/** What may be wrong with the server that several gateways share their counts in. */
export type StoreTrouble =
  | 'unreachable'
  | 'timeout'
  | 'tls'
  | 'auth'
  | 'memory'
  | 'readonly'
  | 'cluster'
  | 'starting'
  | 'disk'
  | 'garbage'
  | 'error';

/** What becomes of a line of a batch in the end. */
export const LINE_ENDS = ['completed', 'failed', 'expired', 'cancelled'] as const;

/** A batch that has ended. */
export interface EndedBatch {
  readonly id: string;
  readonly status: 'completed' | 'expired' | 'cancelled';
  /** Lines: all, and those with an answer and with an error. */
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
}

/** Batches that have not ended. */
export interface BatchFigures {
  /** By status. */
  readonly batches: ReadonlyMap<string, number>;
  /** Lines that have not ended and do not run. */
  readonly waiting: number;
  readonly running: number;
  /** How much of each that runs is done, 1 for all. */
  readonly done: ReadonlyMap<string, number>;
}

/** What the gateways share there. */
export type StoreUse = 'limits' | 'budgets' | 'cache' | 'idempotency';

export type StoreState =
  /** `gateways`: how many share it, this one included. */
  | { readonly isUp: true; readonly server: string; readonly gateways: number }
  /** `message`: what is wrong, and what to do. */
  | { readonly isUp: false; readonly server: string; readonly trouble: StoreTrouble; readonly message: string };

/** Why a conversation is no longer kept at a worker. off: nobody wants that any more. */
export const SESSION_ENDS = ['idle', 'full', 'worker_gone', 'off'] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];

/** Conversations that are kept at workers, and what came of it since the process started. */
export interface SessionFigures {
  readonly active: number;
  readonly byWorker: ReadonlyMap<string, number>;
  /** Calls of a known conversation that went to its worker. */
  readonly kept: number;
  /** Those that went to another, which has it from then on. */
  readonly moved: number;
}

/** Where a prompt was sent: to a worker with the most of it in its cache · to another, which had less to do · nobody had any of it. */
export const PREFIX_RESULTS = ['held', 'spilled', 'new'] as const;
export type PrefixResult = (typeof PREFIX_RESULTS)[number];

/** What is known of the workers' prefix caches, and what came of it since the process started. */
export interface PrefixFigures extends Readonly<Record<PrefixResult, number>> {
  /** Blocks that workers are believed to have, each counted where it is, and the memory that it takes to know it. */
  readonly blocks: number;
  readonly bytes: number;
  /** Full blocks of all prompts that were sent, and those of them that their worker was believed to have. */
  readonly sent: number;
  readonly matched: number;
}

/** A canary begins, goes on to its next step, or has ended. */
export interface CanaryChange {
  readonly result: 'started' | 'step' | 'promoted' | 'rolled_back' | 'aborted';
  /** Of the workers on trial. */
  readonly group: string;
  /** Of the calls, that it gets from now on as one on trial; 0 to 1. */
  readonly share: number;
  /** What was decided, and why, in sentences. */
  readonly message: string;
}

export interface EarlyRefusal {
  readonly id: string;
  /** A path of the table, or 'unknown'. */
  readonly route: string;
  /** What was asked for where no route has it, as the client wrote it and without its query; null for what has a route. */
  readonly path: string | null;
  readonly method: string;
  readonly status: number;
  readonly code: string;
  readonly durationMs: number;
  /** The name of the key that it came with; null: none, or none that is known. */
  readonly key: string | null;
  /** null or absent: nobody traces, or nobody traces such a request. */
  readonly trace?: CallTrace | null;
}

/**
 * What happens, in business words. Telemetry turns each into counters and a log line; call sites know neither.
 * Implementations never throw and never wait.
 */
export interface Events {
  requestStarted(call: Call): void;
  /** Once a request, when its reply has ended. `status` is what the client was sent (499 when it left before). */
  requestEnded(call: Call, outcome: Outcome, status: number): void;
  /** A request that was refused before it became a call (bad body, unknown path, no key). */
  requestRefused(refusal: EarlyRefusal): void;
  admitted(call: Call): void;
  rejected(call: Call, reason: RefusalReason): void;
  /** A call was refused because `name` (a key, or nobody) is over one of its limits, or has used up a budget. */
  limited(call: Call, name: string, limit: LimitName | BudgetLimit): void;
  /** An answer is not kept any more. */
  cacheEvicted(reason: Eviction): void;
  /** The store that gateways share answers, or does not any more. Once a change. */
  storeChanged(state: StoreState): void;
  /** What the store was asked failed. */
  storeFailed(trouble: StoreTrouble): void;
  /** It was decided without the store. */
  storeMissed(what: StoreUse): void;
  /** A line of a batch has ended, for good, and it is on record. `ms`: how long its last try took; null: it never ran. */
  lineEnded(end: (typeof LINE_ENDS)[number], ms: number | null): void;
  batchEnded(batch: EndedBatch): void;
  /** Its lines cannot run at the moment. `reason`: in words for whoever made it. */
  batchPaused(batch: string, reason: string): void;
  batchLeft(model: string, size: number, waitedMs: readonly number[]): void;
  windowChanged(model: string, fromMs: number, toMs: number, p95Ms: number, sloMs: number): void;
  routed(call: Call, worker: string): void;
  /** Once for each attempt, when the worker is done with it. */
  attemptEnded(call: Call, attempt: Attempt): void;
  retried(call: Call, reason: string): void;
  /** Another model answers a call, whose own would have refused it for this reason. */
  fellBack(call: Call, to: string, reason: RefusalReason): void;
  /**
   * The worker of a stream was lost in the middle, and streams of its model go on at others. `outcome`: resumed, or why it was not, by its
   * name in policies/resume/refusals.ts. Once for each worker that was lost.
   */
  resumeEnded(call: Call, outcome: string): void;
  sessionsEnded(reason: SessionEnd, count: number): void;
  /** By how a prompt begins it was sent to a worker that has `matched` of its `blocks`, as far as is known. */
  prefixRouted(call: Call, result: PrefixResult, blocks: number, matched: number): void;
  breakerChanged(worker: string, from: BreakerState, to: BreakerState, reason: string): void;
  workerChanged(view: WorkerView, previous: WorkerView | null): void;
  /** Where workers are looked for can be asked, or cannot any more, or for another reason. */
  sourceChanged(state: SourceState): void;
  workersFound(changes: FindingChanges): void;
  /** What a source names and is not taken: sentences that go on from its name, each once as long as it holds. */
  findingsLeftOut(source: string, sentences: readonly string[]): void;
  canaryChanged(change: CanaryChange): void;
  pressureChanged(worker: string, from: string, to: string, kvUsage: number): void;
  configReloaded(result: { ok: boolean; changed: readonly string[]; needsRestart: readonly string[]; error: string | null }): void;
  draining(stage: 'begin' | 'refusing' | 'cutting' | 'end', inFlight: number, durationMs: number): void;
}

/** What gauges and /stats read when asked. */
export interface LiveFigures {
  inFlight(): number;
  queueDepth(priority: Priority): number;
  windowMs(): ReadonlyMap<string, number>;
  windowPending(): number;
  batches(): { requests: number; batches: number };
  breakers(): ReadonlyMap<string, { state: BreakerState; consecutiveFailures: number; openUntilMs: number | null }>;
  routed(): ReadonlyMap<string, number>;
  /** Answers that are kept for those who ask the same. */
  cache(): { entries: number; bytes: number; maxEntries: number; hits: number; misses: number };
  sessions(): SessionFigures;
  prefixes(): PrefixFigures;
  /** Batches that are run; null: none are taken. */
  batchLines(): BatchFigures | null;
  /** Whether the store that gateways share answers; null: there is none. */
  storeUp(): boolean | null;
  /** Where workers are looked for, in the order of the settings. */
  sources(): readonly SourceState[];
  /** How many gateways share the workers, this one included; null: nobody is asked, since they are its own. */
  gateways(): number | null;
  /** Calls that this gateway may have at a worker now, all its processes together. */
  placesAt(worker: Worker): number;
  /** How much of its limits and budgets each key has used, 1 for all. */
  limitsUsed(): Iterable<{ readonly name: string; readonly limit: LimitName | BudgetLimit; readonly share: number }>;
}
