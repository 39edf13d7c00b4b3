import type { Grant, Spend, Want } from '../../core/budget-terms.ts';

export type { Grant, Spend, Want };

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
  /** Whether all is to be told that has been spent in days and months that are not over. */
  readonly asksSpent: boolean;
}

export interface Exchanged {
  /** One for each want, in their order. */
  readonly grants: readonly Grant[];
  /** Of this database, among all that there are: the same to all who use it. */
  readonly database: string;
  /** null: nobody has asked. */
  readonly spent: readonly Spend[] | null;
  /** That use it, this one among them; null: that is not counted, they are those of one machine. */
  readonly processes: number | null;
}

export type StoreQuestion =
  | ({ readonly kind: 'exchange' } & Exchange)
  | { readonly kind: 'usage'; readonly fromHour: number; readonly key: string | null }
  /** Ends the thread, when it has been answered. */
  | { readonly kind: 'close' };

/** What is wrong with the file, or with the server. */
export type StoreTrouble =
  | 'locked'
  | 'full'
  | 'corrupt'
  | 'newer'
  | 'unwritable'
  | 'disk'
  | 'removed'
  | 'thread'
  | 'unreachable'
  | 'auth'
  | 'timeout'
  | 'error';

export interface StoreFailure {
  readonly ok: false;
  readonly trouble: StoreTrouble;
  readonly message: string;
}

export type StoreAnswer = ({ readonly ok: true; readonly usage: readonly UsageSum[] } & Exchanged) | StoreFailure;
