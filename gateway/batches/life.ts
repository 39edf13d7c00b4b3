import type { BatchStatus } from '../state/store/batch-terms.ts';

/** What may become of a batch. What is not here cannot happen. */
export const NEXT = {
  validating: ['failed', 'in_progress', 'cancelling'],
  in_progress: ['finalizing', 'cancelling'],
  finalizing: ['completed', 'expired', 'cancelling'],
  cancelling: ['cancelled'],
  failed: [],
  completed: [],
  expired: [],
  cancelled: [],
} as const satisfies Record<BatchStatus, readonly BatchStatus[]>;

/** A status that no other follows. */
export type Ended = { [Status in BatchStatus]: (typeof NEXT)[Status] extends readonly [] ? Status : never }[BatchStatus];

export function hasEnded(status: BatchStatus): status is Ended {
  return NEXT[status].length === 0;
}

/** Whether a batch of this status is as whoever cancels it wants it; a second time changes nothing. */
export function isCancelled(status: BatchStatus): boolean {
  return status === 'cancelling' || status === 'cancelled';
}
