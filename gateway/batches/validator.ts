import type { Clock, Timer } from '../core/clock.ts';
import type { BatchError, BatchRow } from '../state/store/batch-terms.ts';
import type { FileBytes, OpenBytes } from '../state/store/file-bytes.ts';
import type { Owner } from '../state/store/file-terms.ts';
import type { BatchRecords, FileRecords } from '../state/store/ports.ts';
import { validateInThread } from './validate-in-thread.ts';
import type { ValidationAsked } from './validation-words.ts';

/** How long a batch whose model nobody knows waits for workers that have not been reached. */
const UNREACHED_MS = 900_000;
const AGAIN_MS = 5_000;

/** The models that somebody may use. */
export interface KnownModels {
  /** Every name that he may call one by, and the id that it stands for. */
  readonly names: readonly (readonly [string, string])[];
  /** Whether every worker has told what it serves. */
  readonly isComplete: boolean;
}

export interface ValidatorContext {
  readonly clock: Clock;
  readonly records: BatchRecords;
  readonly files: Pick<FileRecords, 'fileOf'>;
  /** This life of this process; whoever makes this says to the store that it lives. */
  readonly holder: string;
  readonly bytes: Pick<FileBytes, 'open'>;
  readonly modelsFor: (owner: Owner) => KnownModels;
  readonly rules: () => { readonly mostLines: number; readonly mostLineBytes: number; readonly mixesModels: boolean };
  readonly onTrouble: (batch: string, message: string) => void;
}

/** Looks at the input files of new batches, one at a time, and puts their lines on record. */
export class Validator {
  readonly #context: ValidatorContext;
  readonly #open = new Map<string, { readonly done: Promise<void>; readonly cancel: AbortController }>();
  readonly #again = new Map<string, Timer>();
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(context: ValidatorContext) {
    this.#context = context;
  }

  /** Looks at the input of a batch, after those before it. Of one that is under way it is the same answer. Never rejects. */
  validate({ id }: Pick<BatchRow, 'id'>): Promise<void> {
    const known = this.#open.get(id);
    if (known) return known.done;
    if (this.#isClosed || this.#again.has(id)) return Promise.resolve();
    const cancel = new AbortController();
    const done = this.#last.then(async () => {
      try {
        if (!cancel.signal.aborted) await this.#one(id, cancel.signal);
      } catch (error) {
        this.#context.onTrouble(id, (error as Error).message);
        this.#later(id, () => void this.validate({ id }));
      } finally {
        this.#open.delete(id);
      }
    });
    this.#last = done;
    this.#open.set(id, { done, cancel });
    return done;
  }

  /** Whoever made it has cancelled it. */
  cancel(id: string): void {
    this.#again.get(id)?.cancel();
    this.#again.delete(id);
    this.#open.get(id)?.cancel.abort();
  }

  /** Gives up what is under way: it begins anew in another life. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#again.values()) timer.cancel();
    this.#again.clear();
    for (const { cancel } of this.#open.values()) cancel.abort();
    await this.#last;
  }

  async #one(id: string, cancelled: AbortSignal): Promise<void> {
    const { clock, records, files, holder } = this.#context;
    const row = await records.batchOf(id, null);
    if (row?.status !== 'validating') return;
    const epoch = await records.claimBatch(id, holder, clock.wall());
    if (epoch === null) return;
    const end = async (total: number, model: string | null, errors: readonly BatchError[] | null): Promise<void> => {
      await records.endValidation(id, epoch, { total, model, errors }, clock.wall());
    };
    if (clock.wall() >= row.expiresAt) return end(0, null, [TOO_LATE]);
    if ((await files.fileOf(row.inputFile, row.owner, clock.wall())) === null) return end(0, null, [noFile(row.inputFile)]);

    const known = this.#context.modelsFor(row.owner);
    const asked: ValidationAsked = {
      ...this.#context.rules(),
      endpoint: row.endpoint,
      models: known.names,
    };
    // A model may be served by a worker that has not been reached yet.
    const mayBeServed = !known.isComplete && clock.wall() < row.createdAt + UNREACHED_MS;
    let waits = false;
    const bytes = await this.#opened(row.inputFile);
    if (bytes === null) return end(0, null, [noFile(row.inputFile)]);
    try {
      const found = await validateInThread(
        asked,
        bytes,
        clock,
        cancelled,
        ({ errors, hasUnknownModel }) => {
          waits = hasUnknownModel && mayBeServed && errors!.every(({ code }) => code === 'model_not_found');
          return errors === null && records.beginLines(id, epoch);
        },
        (rows) => records.addLines(id, epoch, rows),
      );
      if (this.#isClosed) return;
      if (cancelled.aborted) {
        await records.beginLines(id, epoch);
        return await end(0, null, null);
      }
      if (waits) return this.#later(id, () => void this.validate({ id }));
      if (found !== null) await end(found.total, found.model, found.errors);
    } finally {
      await bytes.close().catch(() => {});
    }
  }

  /** null: they are gone. */
  async #opened(file: string): Promise<OpenBytes | null> {
    try {
      return await this.#context.bytes.open(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  #later(id: string, then: () => void): void {
    if (this.#isClosed) return;
    this.#again.get(id)?.cancel();
    const timer = this.#context.clock.after(AGAIN_MS, () => {
      this.#again.delete(id);
      then();
    });
    this.#again.set(id, timer);
  }
}

function noFile(file: string): BatchError {
  return {
    code: 'invalid_request',
    message: `Cannot find file ${file}, or this key does not have access to it.`,
    param: 'file_id',
    line: null,
  };
}

const TOO_LATE: BatchError = {
  code: 'batch_expired',
  message: 'The input file could not be validated within the completion window.',
  param: null,
  line: null,
};
