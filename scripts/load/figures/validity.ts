import type { Pace } from '../calls/run-load.ts';
import { meanRate } from './mean-rate.ts';
import type { Summary } from './summary.ts';

/** A load whose own calls were later than this, for one of a hundred, measured itself. Milliseconds; inference-perf has the same. */
export const MOST_DELAY_MS = 50;
/** The least share of its rate that a load must have kept up. */
const LEAST_RATE = 0.98;

/** How near the load came to what it was told to do. */
export interface Validity {
  /** Calls a second that were meant, over the schedule; null for a closed loop, which has none. */
  readonly wantedRate: number | null;
  /** Calls that were sent over the same time, a second. */
  readonly achievedRate: number | null;
  /** Why nothing may be concluded from it; empty for a valid run. */
  readonly problems: readonly string[];
}

export function validityOf(pace: Pace, sentMs: readonly number[], { scheduleDelay, calls, ok }: Summary): Validity {
  const problems: string[] = [];
  if (calls === 0) problems.push('no call was sent');
  else if (ok === 0) problems.push('no call was answered');
  if (pace.kind === 'closed') return { wantedRate: null, achievedRate: null, problems };
  const { at } = pace;
  const spanMs = (at.at(-1) ?? 0) - (at[0] ?? 0);
  const wantedRate = meanRate(at);
  const achievedRate = wantedRate === null ? null : (meanRate(sentMs.toSorted(ascending), spanMs) ?? 0);
  if (scheduleDelay.p99 > MOST_DELAY_MS)
    problems.push(
      `one call of a hundred was sent ${Math.round(scheduleDelay.p99)} ms late or more (${MOST_DELAY_MS} allowed): the machine that sends is too slow or too busy`,
    );
  if (wantedRate !== null && achievedRate !== null && achievedRate < LEAST_RATE * wantedRate)
    problems.push(
      `${achievedRate.toFixed(2)} calls a second were sent instead of ${wantedRate.toFixed(2)} (${LEAST_RATE * 100} % asked for)`,
    );
  return { wantedRate, achievedRate, problems };
}

function ascending(a: number, b: number): number {
  return a - b;
}
