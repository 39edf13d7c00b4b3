import type { Journal } from './batch-terms.ts';

// What is asked of whatever holds the bytes of files. Everything rejects with what the system says (an Error with its code), or with
// StoreFailed where a server holds them.

/** What has been answered, and what has not. */
export type Side = 'out' | 'err';

export interface FileBytes {
  /** Bytes to be written, which are nobody's until they are kept. @param id what they are to be the bytes of, once */
  draft(id: string): Promise<DraftBytes>;
  /** Rejects with the code ENOENT where there are none. */
  open(id: string): Promise<OpenBytes>;
  /** Whoever reads them reads on for a while. What is not there is removed. */
  remove(id: string): Promise<void>;
  /** What nobody writes or reads any more, `most` at most, by names for `removeLeftover`. @param now wall-clock milliseconds */
  leftovers(now: number, most: number): Promise<readonly string[]>;
  removeLeftover(name: string): Promise<void>;
  /** Ids of bytes that are so old that they must have a row by now, if they are to have one. @param known asked once, after the look, if at all */
  nameless(now: number, most: number, known: () => Promise<ReadonlySet<string>>): Promise<readonly string[]>;
  readonly journals: JournalBytes;
}

/** One thing is asked of it at a time. */
export interface DraftBytes {
  /** Behind the last. Resolves when it may be given more, and has no need of `bytes`. */
  append(bytes: Buffer): Promise<void>;
  /** They are the bytes of its id from now on, whatever becomes of the machine. Where it rejects, nothing is left. */
  keep(): Promise<void>;
  /** Leaves nothing of it, unless it was kept. Never rejects: what does not go now is a leftover. */
  discard(): Promise<void>;
}

/** Whoever has opened it closes it. */
export interface OpenBytes {
  readonly size: number;
  /** @returns how many bytes there were; fewer than there is room for only at the end, 0 behind it */
  read(into: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Where each holder writes the results of each batch that it runs, until they become its files. */
export interface JournalBytes {
  /** A holder's two journals of a batch, of which that much has been committed. */
  open(batch: string, holder: string, committed: Pick<Journal, 'outputBytes' | 'errorBytes'>): OpenJournal;
  /**
   * Makes the file `id` of the committed parts of all journals of one side. What a holder writes later, who only seemed to be gone, is no part
   * of it and changes nothing. @returns its bytes; 0: there is nothing, and no file
   */
  assemble(batch: string, journals: readonly Journal[], side: Side, id: string, asker: string): Promise<number>;
  /**
   * Of a holder's journal, from a byte on, of what is committed of it: `most` bytes, or fewer, one at least. None: it is gone, since its batch
   * has ended.
   */
  read(batch: string, holder: string, side: Side, from: number, most: number): Promise<Buffer>;
  /** Batches of which there is something. */
  batches(): Promise<readonly string[]>;
  /** Forgets what there is of a batch. */
  remove(batch: string): Promise<void>;
}

/** Two journals that grow. What was written beyond what is committed never happened: it is written over. */
export interface OpenJournal {
  /** Writes whole lines after what is committed, to stay. @returns how long the journals are with them */
  append(lines: Readonly<Record<Side, readonly Buffer[]>>): Promise<Record<Side, number>>;
  commit(lengths: Readonly<Record<Side, number>>): void;
  close(): Promise<void>;
}

/** There are no bytes of that id. */
export class NoSuchBytes extends Error {
  readonly code = 'ENOENT';

  constructor(id: string) {
    super(`there are no bytes of ${id}`);
  }
}
