import type { Left } from '../law/leaks.ts';
import type { Tally } from '../law/call-tally.ts';

/** What came of one row. Times in milliseconds; null where there was nothing to tell. */
export interface RowResult {
  readonly name: string;
  readonly fault: string;
  readonly how: string;
  readonly holds: string;
  /** `broken`: the fault has cost what no fault may cost. `failed`: the row itself could not be played. */
  readonly verdict: 'survived' | 'broken' | 'skipped' | 'failed';
  /** What has been broken, why it was skipped, or what has failed. */
  readonly notes: readonly string[];
  /** How many requests, connections or processes the fault has struck. */
  readonly struck: number;
  readonly tally: Tally | null;
  readonly lines: { readonly lines: number; readonly failed: number } | null;
  readonly detectMs: number | null;
  readonly recoverMs: number | null;
  readonly left: Left | null;
  readonly ms: number;
}
