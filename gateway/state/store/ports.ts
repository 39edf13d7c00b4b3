import type { BatchError, BatchRow, Claim, ClaimedLine, Holder, Journal, LineRow, NewBatch, Settled, Settling } from './batch-terms.ts';
import type { FileRow, Listed, Owner, Page } from './file-terms.ts';
import type { Exchange, Exchanged, StoreFailure, UsageSum } from './words.ts';

// What is asked of the store. Times are wall-clock milliseconds. Every method about files and batches rejects with StoreFailed, and with
// nothing else; those about usage never reject. Whether it has happened is not known after a failure, and everything may be said again, with
// nothing counted twice.

export interface FileRecords {
  /** 'full': all files together, those among them whose bytes may go, would have more than `mostBytes`. An id is added once. */
  addFile(file: FileRow, mostBytes: number | null): Promise<'added' | 'full'>;
  /** Deleted and expired ones are not there. */
  fileOf(id: string, owner: Owner | null, now: number): Promise<FileRow | null>;
  listFiles(owner: Owner | null, purpose: string | null, page: Page, now: number): Promise<Listed<FileRow>>;
  /** Its bytes stay as long as a batch that has not ended needs them. */
  deleteFile(id: string, owner: Owner | null, now: number): Promise<boolean>;
  /** Ids of those that are deleted or expired and needed by no batch: their bytes may go, and then `forgetFiles`. */
  uselessFiles(now: number, limit: number): Promise<readonly string[]>;
  forgetFiles(ids: readonly string[]): Promise<void>;
  /** All that are not forgotten, with their bytes. For telling leftovers from files. */
  fileIds(): Promise<ReadonlySet<string>>;
  totalBytes(): Promise<number>;
}

export interface BatchRecords {
  addBatch(batch: NewBatch): Promise<void>;
  batchOf(id: string, owner: Owner | null): Promise<BatchRow | null>;
  listBatches(owner: Owner | null, page: Page): Promise<Listed<BatchRow>>;
  /** Those that have not ended, the oldest first. */
  openBatches(): Promise<readonly BatchRow[]>;
  /** validating, in_progress, finalizing → cancelling; one that is cancelling or has ended stays as it is; null: unknown. */
  cancelBatch(id: string, owner: Owner | null, now: number): Promise<BatchRow | null>;

  /** I live: to be said before the first claim and every 5 s; who is not heard of for 15 s, or whose process is gone, loses its claims. */
  holdOn(holder: Holder, now: number): Promise<void>;
  /** Its claims are free at once. */
  letGo(holder: string): Promise<void>;

  /**
   * The right to validate or finalize a batch, to one holder at a time; the end of either gives it back. Whoever has it and asks again gets
   * another epoch. @returns its epoch; null: another has it, or it has ended
   */
  claimBatch(id: string, holder: string, now: number): Promise<number | null>;
  /** Drops what an earlier validation has left. @returns false: the claim is another's now */
  beginLines(batch: string, epoch: number): Promise<boolean>;
  addLines(batch: string, epoch: number, lines: readonly LineRow[]): Promise<boolean>;
  /** validating → in_progress, or failed with errors. A batch that is cancelling stays that. @returns null: the claim is another's now */
  endValidation(
    batch: string,
    epoch: number,
    found: { readonly total: number; readonly model: string | null; readonly errors: readonly BatchError[] | null },
    now: number,
  ): Promise<BatchRow | null>;

  /**
   * The next slice with lines that have not ended and that nobody has: those lines. The first of them is of one of `models` (null: any), others
   * perhaps not. null: there is none, or the batch is not validated, or all its lines have ended.
   */
  claimSlice(
    batch: string,
    holder: string,
    models: readonly string[] | null,
    now: number,
  ): Promise<{ readonly claim: Claim; readonly lines: readonly ClaimedLine[] } | null>;
  /** Gives a slice back. */
  releaseSlice(claim: Claim, holder: string): Promise<void>;
  /** A line ends once. After a failure the same is to be said again, before anything else is settled of this batch by this holder. */
  settle(settling: Settling, now: number): Promise<Settled>;
  /** Lines that wait and run, by model. */
  waitingLines(batch: string): Promise<ReadonlyMap<string, number>>;
  journalsOf(batch: string): Promise<readonly Journal[]>;
  setPause(batch: string, pause: BatchRow['pause']): Promise<void>;

  /**
   * in_progress → finalizing, once every line has ended; one that is cancelling stays that, and one that was cancelled before its validation
   * ended has no lines. @returns null: lines are left, or the claim is another's now
   */
  beginFinalizing(batch: string, epoch: number, now: number): Promise<BatchRow | null>;
  /**
   * The end: rows of its files (null: there is nothing in them), and its last status, in one; a batch that is cancelling is cancelled, whatever
   * was meant. @returns false: the claim is another's now
   */
  finish(
    batch: string,
    epoch: number,
    end: { readonly status: 'completed' | 'expired' | 'cancelled'; readonly output: FileRow | null; readonly error: FileRow | null },
    now: number,
  ): Promise<boolean>;

  /** Called when there may be work that was not there before: a hint, which may be missing. @returns to hear no more of it */
  onWork(listener: () => void): () => void;
}

export interface UsageRecords {
  /** server: those who use it may be on several machines, and are to say at least every 5 s that they live. */
  readonly kind: 'file' | 'server';
  /** How messages call it: a file's path, or `the database at HOST/NAME`. */
  readonly place: string;
  /**
   * Writes a batch, once, and hands out of each budget what it can: at every moment what is spent and what is granted to all processes that
   * live is together at most the budget, but for what calls have used beyond their estimate. It may take as long as a disk does.
   */
  exchange(exchange: Exchange): Promise<Exchanged | StoreFailure>;
  /** What was used from that hour on, by key and model. @param key null: of all */
  usage(fromHour: number, key: string | null): Promise<readonly UsageSum[] | StoreFailure>;
}
