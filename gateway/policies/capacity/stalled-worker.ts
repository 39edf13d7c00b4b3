import type { WorkerLoad } from '../../core/worker.ts';

/** As patient as a supervisor is before it takes a worker out of service. */
const STALL_MS = 120_000;

/**
 * Calls of ours have been with the worker for minutes, all in all, and its engine has done nothing: it hangs, however well its health check
 * is. What it does for others counts as well, and so does a step without a token, or an answer for which no engine is needed
 * (`answeredAt`). An engine that does not count its work is never taken for stalled.
 */
export function isStalled({ work, workedAt, scrapedAt }: WorkerLoad, answeredAt: number): boolean {
  return work !== null && workedAt !== null && scrapedAt !== null && scrapedAt - Math.max(workedAt, answeredAt) >= STALL_MS;
}
