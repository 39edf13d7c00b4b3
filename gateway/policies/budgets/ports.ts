import type { WhenUnavailable } from '../limits/limiter.ts';

export type { Grant, Spend, Want } from '../../core/budget-terms.ts';

/** Where budgets are kept for all processes, and over restarts. */
export interface BudgetRecords {
  /** It could not be reached last time. */
  readonly isAway: boolean;
  /** Tells what was spent and is wanted from now on, and brings grants. @returns whether it did. Never rejects */
  exchange(): Promise<boolean>;
}

/** The budgets are those of several machines, and this is where they meet. */
export interface MeetingPlace {
  /** It could not be reached last time. */
  readonly isAway: boolean;
  /** What holds meanwhile. */
  readonly whenAway: WhenUnavailable;
  /** Milliseconds until it is looked for again, at the earliest. */
  readonly nextTryMs: number;
  /** A call was decided without it. */
  missed(): void;
}
