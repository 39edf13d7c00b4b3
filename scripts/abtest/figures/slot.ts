import type { CallRecord } from '../../load/calls/call-record.ts';

/** What came of one slot. Times of its calls are milliseconds from its start. */
export interface Slot {
  readonly number: number;
  readonly block: number;
  readonly arm: number;
  /** Milliseconds from the start of the test. */
  readonly startMs: number;
  /** What was due before this is not counted. */
  readonly settleMs: number;
  /** Its end, settling included. Calls that end later are its own all the same. */
  readonly endMs: number;
  readonly records: readonly CallRecord[];
  /** The width of the batch window at its end, as the gateway's metrics have it; null where it has none or was not asked. */
  readonly windowMs: number | null;
}

/** The calls of a slot that count: those that were due after it had settled. */
export function counted({ records, settleMs, endMs }: Slot): CallRecord[] {
  return records.filter(({ scheduledMs }) => scheduledMs >= settleMs && scheduledMs < endMs);
}
