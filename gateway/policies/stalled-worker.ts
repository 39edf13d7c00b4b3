import type { Worker } from '../core/worker.ts';

/** As patient as a supervisor is before it takes a worker out of service. */
const STALL_MS = 120_000;

/**
 * Calls of ours are with the worker, and for minutes its engine has done nothing at all: it hangs, however well its health check is. What
 * it does for others counts as well, and so does a step without a token. An engine that does not count is never taken for stalled.
 */
export function isStalled({ inFlight, load: { work, workedAt, scrapedAt } }: Worker): boolean {
  return inFlight > 0 && work !== null && workedAt !== null && scrapedAt !== null && scrapedAt - workedAt >= STALL_MS;
}
