export type { Grant, Spend, Want } from '../../core/budget-terms.ts';

/** Where budgets are kept for all processes, and over restarts. */
export interface BudgetRecords {
  /** It could not be reached last time. */
  readonly isAway: boolean;
  /** Tells what was spent and is wanted from now on, and brings grants. @returns whether it did. Never rejects */
  exchange(): Promise<boolean>;
}
