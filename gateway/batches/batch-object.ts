import type { BatchRow } from '../state/store/batch-terms.ts';

/** A batch as OpenAI's SDKs know it: what there is not is null, and times are seconds. */
export function batchObject(row: BatchRow) {
  const { usage } = row;
  return {
    id: row.id,
    object: 'batch',
    endpoint: row.endpoint,
    model: row.model,
    errors:
      row.errors === null
        ? null
        : { object: 'list', data: row.errors.map(({ code, message, param, line }) => ({ code, message, param, line })) },
    input_file_id: row.inputFile,
    completion_window: row.completionWindow,
    status: row.status,
    output_file_id: row.outputFile,
    error_file_id: row.errorFile,
    created_at: seconds(row.createdAt)!,
    in_progress_at: seconds(row.inProgressAt),
    // A day after its creation to the second.
    expires_at: seconds(row.createdAt)! + Math.round((row.expiresAt - row.createdAt) / 1_000),
    finalizing_at: seconds(row.finalizingAt),
    completed_at: seconds(row.completedAt),
    failed_at: seconds(row.failedAt),
    expired_at: seconds(row.expiredAt),
    cancelling_at: seconds(row.cancellingAt),
    cancelled_at: seconds(row.cancelledAt),
    request_counts: { total: row.total, completed: row.completed, failed: row.failed },
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning },
      total_tokens: usage.input + usage.output,
    },
    metadata: row.metadata,
  };
}

export type BatchObject = ReturnType<typeof batchObject>;

function seconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1_000);
}
