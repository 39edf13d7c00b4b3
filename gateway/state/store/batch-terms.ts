import type { Owner } from './file-terms.ts';

// Times are wall-clock milliseconds.

export type BatchStatus = 'validating' | 'failed' | 'in_progress' | 'finalizing' | 'completed' | 'expired' | 'cancelling' | 'cancelled';

export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

export interface TokensUsed {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
}

export interface BatchRow {
  readonly id: string;
  readonly owner: Owner;
  readonly endpoint: string;
  readonly inputFile: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Seconds after which the files that it writes expire; null: as usual. */
  readonly outputExpiresAfterS: number | null;
  readonly status: BatchStatus;
  readonly errors: readonly BatchError[] | null;
  /** The one model of all lines; null: several, or not known yet. */
  readonly model: string | null;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly completedAt: number | null;
  readonly failedAt: number | null;
  readonly expiredAt: number | null;
  readonly cancellingAt: number | null;
  readonly cancelledAt: number | null;
  readonly outputFile: string | null;
  readonly errorFile: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly usage: TokensUsed;
  /** Why it does not go on at the moment, for people; null: it does. */
  readonly pause: { readonly reason: string; readonly untilMs: number | null } | null;
}

/** A new batch is `validating`, with nothing counted. */
export type NewBatch = Pick<
  BatchRow,
  'id' | 'owner' | 'endpoint' | 'inputFile' | 'completionWindow' | 'metadata' | 'outputExpiresAfterS' | 'createdAt' | 'expiresAt'
>;

export interface LineRow {
  /** Its turn, from 0. */
  readonly rank: number;
  /** Its line in the file, from 1. */
  readonly number: number;
  readonly offset: number;
  readonly length: number;
  readonly model: string;
}

export interface Claim {
  readonly batch: string;
  readonly slice: number;
  readonly epoch: number;
}

export interface ClaimedLine extends LineRow {
  /** Times that it failed by its own fault, or had to be given up. */
  readonly attempts: number;
}

export type LineEnd = 'completed' | 'failed' | 'expired' | 'cancelled';

export interface SettledLine {
  readonly slice: number;
  readonly epoch: number;
  readonly rank: number;
  /** 'again': it has not ended, and has failed once more. */
  readonly end: LineEnd | 'again';
  readonly usage: TokensUsed | null;
}

export interface Settling {
  readonly batch: string;
  readonly holder: string;
  readonly lines: readonly SettledLine[];
  /** How long the holder's two journals of this batch are, all of `lines` included. */
  readonly outputBytes: number;
  readonly errorBytes: number;
}

/** stale: these claims are another's now, and nothing at all has been written; the caller leaves their lines out and settles the others. */
export type Settled = { readonly kind: 'settled'; readonly row: BatchRow } | { readonly kind: 'stale'; readonly slices: readonly number[] };

export interface Journal {
  readonly holder: string;
  readonly outputBytes: number;
  readonly errorBytes: number;
}

export interface Holder {
  /** One life of one process. */
  readonly id: string;
  /** null: it is on another machine, or nobody can tell whether it lives: then its lease says. */
  readonly process: { readonly pid: number; readonly startedAt: string } | null;
}

/** Lines that are claimed together. */
export const SLICE_LINES = 256;

/** How the end of a line is written down; 0: it has not ended. */
export const LINE_STATES: Readonly<Record<LineEnd, number>> = { completed: 1, failed: 2, expired: 3, cancelled: 4 };
