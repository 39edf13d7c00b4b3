import type { Call } from './call.ts';
import type { WorkerDirectory } from './worker.ts';

/** Milliseconds from a call's arrival to its last byte, waiting included, for calls whose worker makes no progress. */
export interface TotalSettings {
  readonly stream_total_ms: number;
  readonly request_total_ms: number;
}

/** The same for any call, and the silence that counts as standing still. */
export interface DeadlineSettings extends TotalSettings {
  readonly stream_max_ms: number;
  readonly request_max_ms: number;
  readonly idle_ms: number;
}

/** How long a call may take whose worker makes no progress. */
export function totalMs(settings: TotalSettings, stream: boolean): number {
  return stream ? settings.stream_total_ms : settings.request_total_ms;
}

/** How long any call may take. */
export function maxMs(settings: DeadlineSettings, stream: boolean): number {
  return stream ? settings.stream_max_ms : settings.request_max_ms;
}

/**
 * When a call's worker was last seen to get on: bytes of the call's own answer, or the worker's count of tokens and steps, whoever they
 * were for. Monotonic ms; -Infinity where nothing of the kind was seen, as before a call has a worker and where a worker does not count.
 */
export function lastProgressAt(call: Call, directory: Pick<WorkerDirectory, 'workers'>): number {
  const attempt = (call.rides ?? call).attempts.at(-1);
  if (!attempt) return -Infinity;
  const worker = directory.workers().find(({ id }) => id === attempt.worker);
  return Math.max(attempt.heardAt ?? -Infinity, worker?.load.movedAt ?? -Infinity);
}
