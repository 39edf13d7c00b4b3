import type { LiveFigures } from '../../core/events.ts';
import type { SupervisorSnapshot } from '../../link/snapshot.ts';
import type { WorkerDirectory } from '../../core/worker.ts';

/** What the page is read from when it is asked for. Parts that do not exist (yet) are null. */
export interface MetricSources {
  readonly directory: WorkerDirectory | null;
  readonly figures: LiveFigures | null;
  /** The supervisor's last word, or null where there is none. */
  readonly supervisor: () => SupervisorSnapshot | null;
}

/** Facts that have no better home: written by events, read by gauges and /stats. */
export interface Ledger {
  lastReloadOk: boolean;
  /** Of the calls, that goes to workers on trial; 0 to 1. */
  canaryShare: number;
  shutdownMs: number;
  retries: number;
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
}
