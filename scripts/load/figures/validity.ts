import type { Pace } from '../calls/run-load.ts';
import { isHeldBack, lateProblems } from './lateness.ts';
import { meanRate } from './mean-rate.ts';
import type { Summary } from './summary.ts';

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

/**
 * `sentMs`: of all calls that were sent. Calls are sent in the order of their schedule, so a run that was interrupted is held against the part
 * of it that it came to.
 */
export function validityOf(pace: Pace, sentMs: readonly number[], summary: Summary, wasInterrupted = false): Validity {
  const { calls, ok } = summary;
  const problems: string[] = [];
  if (ok === 0) {
    const what = calls === 0 ? 'sent' : 'answered';
    problems.push(wasInterrupted ? `it was interrupted before a call was ${what}` : `no call was ${what}`);
  }
  if (pace.kind === 'closed') return { wantedRate: null, achievedRate: null, problems };
  const at = pace.at.subarray(0, sentMs.length);
  const spanMs = (at.at(-1) ?? 0) - (at[0] ?? 0);
  const wantedRate = meanRate(at);
  const achievedRate = wantedRate === null ? null : meanRate(sentMs.toSorted(ascending), spanMs);
  problems.push(...lateProblems(summary));
  if (wantedRate !== null && achievedRate !== null && achievedRate < LEAST_RATE * wantedRate) {
    const why = isHeldBack(summary) ? ', because --most-at-once held calls back' : '';
    problems.push(
      `${achievedRate.toFixed(2)} calls a second were sent instead of ${wantedRate.toFixed(2)} (${LEAST_RATE * 100} % asked for)${why}`,
    );
  }
  return { wantedRate, achievedRate, problems };
}

function ascending(a: number, b: number): number {
  return a - b;
}
