// What budgets say to where they are kept, and hear from there.

/** Whose budget, and of which day or month. */
export interface BudgetName {
  readonly subject: string;
  /** `2026-11-29` or `2026-11`. */
  readonly window: string;
}

/** Tokens that are spent for good. */
export interface Spend extends BudgetName {
  readonly tokens: number;
  /** Wall-clock milliseconds at which the day or month is over. */
  readonly endsAt: number;
}

/** What this process would like to have at its disposal of a budget: what its calls hold, what calls wait for, and some for those to come. */
export interface Want extends BudgetName {
  /** The whole budget. */
  readonly amount: number;
  readonly held: number;
  readonly need: number;
  readonly spare: number;
  /** What all had spent, as was last heard. */
  readonly known: number;
  /** Wall-clock milliseconds at which the day or month is over. */
  readonly endsAt: number;
}

/** What it may use until it is told otherwise, what is held included; and what all processes have spent. */
export interface Grant extends BudgetName {
  readonly granted: number;
  readonly spent: number;
}
