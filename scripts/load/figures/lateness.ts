import type { CallRecord } from '../calls/call-record.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { heldOf, ownDelayOf, scheduleDelayOf } from './times.ts';

/** A load whose own calls were later than this, for one of a hundred, measured itself. Milliseconds; inference-perf has the same. */
export const MOST_DELAY_MS = 50;

/** How late calls were sent, in milliseconds: in all, because all places were taken, and by the load's own fault. */
export interface Lateness {
  readonly scheduleDelay: Distribution;
  readonly held: Distribution;
  readonly ownDelay: Distribution;
}

export function latenessOf(records: readonly CallRecord[]): Lateness {
  const of = (delay: (record: CallRecord) => number): Distribution => distributionOf(records.map(delay));
  return { scheduleDelay: of(scheduleDelayOf), held: of(heldOf), ownDelay: of(ownDelayOf) };
}

/** Whether calls waited for a place among so many as may be under way at once. */
export function isHeldBack({ held }: Lateness): boolean {
  return held.p99 > MOST_DELAY_MS;
}

/** Why nothing may be concluded from calls that were sent so late; empty where they were sent in time. */
export function lateProblems(lateness: Lateness): string[] {
  const { scheduleDelay, held, ownDelay } = lateness;
  if (!(scheduleDelay.p99 > MOST_DELAY_MS)) return [];
  const late = (ms: number): string => `${Math.round(ms)} ms late or more (${MOST_DELAY_MS} allowed)`;
  const isHeld = isHeldBack(lateness);
  const problems: string[] = [];
  if (ownDelay.p99 > MOST_DELAY_MS || !isHeld) {
    const own = isHeld ? ownDelay : scheduleDelay;
    problems.push(`one call of a hundred was sent ${late(own.p99)}: the machine that sends is too slow or too busy`);
  }
  if (isHeld)
    problems.push(
      `--most-at-once held calls back, one of a hundred until ${late(held.p99)}: the server does not keep up with so many calls`,
    );
  return problems;
}
