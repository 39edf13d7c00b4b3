import type { Slo } from '../../load/figures/slo.ts';
import { type Summary, summaryOf } from '../../load/figures/summary.ts';
import { counted, type Slot } from './slot.ts';

/** What each arm came to over all of its slots, those of blocks that did not end included. */
export function armSummaries(arms: number, slots: readonly Slot[], slo: Slo): Summary[] {
  return Array.from({ length: arms }, (_, arm) => {
    const own = slots.filter((slot) => slot.arm === arm);
    const countedMs = own.reduce((sum, { endMs, settleMs }) => sum + endMs - settleMs, 0);
    return summaryOf(own.flatMap(counted), countedMs, slo);
  });
}
