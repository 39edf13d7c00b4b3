import type { Lease } from '../../gateway/core/lease.ts';

/** Which cards are lent to others just now, or are made ready for them. */
export interface LentCards {
  isFree(gpuUuids: readonly string[]): boolean;
  /** Calls `goOn` once when none of them is lent any more. Releasing the lease ends the wait. Only where one is. */
  whenFree(gpuUuids: readonly string[], goOn: () => void): Lease;
  /** How long a start on these cards is held up. Milliseconds. */
  heldUpMs(gpuUuids: readonly string[]): number;
  /** Until when, by the wall clock; null: they are not. */
  lentUntil(gpuUuids: readonly string[]): number | null;
}
