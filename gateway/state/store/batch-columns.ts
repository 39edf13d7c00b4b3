import type { BatchRow } from './batch-terms.ts';

/** What makes a row that `batchOfColumns` reads, in SQL. */
export const BATCH_COLUMNS = `id, owner, endpoint, input_file AS "inputFile", completion_window AS "completionWindow", metadata,
  output_expires_after_s AS "outputExpiresAfterS", status, errors, model, created_at AS "createdAt", expires_at AS "expiresAt",
  in_progress_at AS "inProgressAt", finalizing_at AS "finalizingAt", completed_at AS "completedAt", failed_at AS "failedAt",
  expired_at AS "expiredAt", cancelling_at AS "cancellingAt", cancelled_at AS "cancelledAt", output_file AS "outputFile",
  error_file AS "errorFile", total, completed, failed, input_tokens AS "input", cached_tokens AS "cached", output_tokens AS "output",
  reasoning_tokens AS "reasoning", pause_reason AS "pauseReason", pause_until AS "pauseUntil"`;

/** As a column of whole numbers takes it: clocks and waits have parts of a millisecond. */
export function wholeMs(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.ceil(ms);
}

export interface BatchColumns extends Omit<BatchRow, 'metadata' | 'errors' | 'usage' | 'pause'> {
  /** Both as JSON. */
  readonly metadata: string | null;
  readonly errors: string | null;
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
  readonly pauseReason: string | null;
  readonly pauseUntil: number | null;
}

export function batchOfColumns(columns: BatchColumns): BatchRow {
  const { metadata, errors, input, cached, output, reasoning, pauseReason, pauseUntil, ...row } = columns;
  return {
    ...row,
    metadata: metadata === null ? null : (JSON.parse(metadata) as BatchRow['metadata']),
    errors: errors === null ? null : (JSON.parse(errors) as BatchRow['errors']),
    usage: { input, cached, output, reasoning },
    pause: pauseReason === null ? null : { reason: pauseReason, untilMs: pauseUntil },
  };
}
