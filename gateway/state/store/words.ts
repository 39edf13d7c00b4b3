// What the thread of the store is told and asked. Times are wall-clock milliseconds.

/** What one key had of one model within an hour of UTC. */
export interface UsageRow {
  /** Hours since the epoch. */
  readonly hour: number;
  readonly key: string;
  readonly model: string;
  readonly requests: number;
  readonly promptTokens: number;
  /** Of those of the prompts. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** The same without its hour. */
export type UsageSum = Omit<UsageRow, 'hour'>;

/** Whose budget, and of which day or month. */
export interface BudgetName {
  readonly subject: string;
  /** `2026-11-29` or `2026-11`. */
  readonly window: string;
}

/** Tokens that a budget has lost for good. */
export interface Spend extends BudgetName {
  readonly tokens: number;
  /** When the day or month is over. */
  readonly endsAt: number;
}

/** What one process would like to have of a budget at its own disposal. */
export interface Want extends BudgetName {
  /** The whole budget. */
  readonly amount: number;
  /** So much its calls have taken already. */
  readonly held: number;
  /** So much more calls wait for. */
  readonly need: number;
  /** So much more it would have at hand for those to come. */
  readonly spare: number;
}

export interface Grant extends BudgetName {
  /** So much it may use from now on, what is held included. */
  readonly granted: number;
  /** What all of them have spent. */
  readonly spent: number;
}

/** What is written once, however often it is sent. */
export interface Batch {
  /** From 1 on, for each process. */
  readonly number: number;
  readonly usage: readonly UsageRow[];
  readonly spends: readonly Spend[];
}

export interface Exchange {
  /** This life of this process. */
  readonly holder: string;
  readonly now: number;
  readonly batch: Batch;
  readonly wants: readonly Want[];
}

export type StoreQuestion =
  | ({ readonly kind: 'exchange' } & Exchange)
  | { readonly kind: 'usage'; readonly fromHour: number; readonly key: string | null }
  /** Ends the thread, when it has been answered. */
  | { readonly kind: 'close' };

/** What is wrong with the file. */
export type StoreTrouble = 'locked' | 'full' | 'corrupt' | 'newer' | 'unwritable' | 'disk' | 'thread' | 'error';

export interface StoreFailure {
  readonly ok: false;
  readonly trouble: StoreTrouble;
  readonly message: string;
}

export type StoreAnswer = { readonly ok: true; readonly grants: readonly Grant[]; readonly usage: readonly UsageSum[] } | StoreFailure;
