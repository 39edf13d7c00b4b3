import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { JsonObject } from '../openai/json-body.ts';
import { shownName } from '../openai/model-names.ts';
import { idempotencyKeyReused } from '../openai/param-refusals.ts';
import type { BatchRow, Journal } from '../state/store/batch-terms.ts';
import type { Listed, Owner, Page } from '../state/store/file-terms.ts';
import type { BatchRecords, FileRecords } from '../state/store/ports.ts';
import { StoreFailed } from '../state/store/store-failed.ts';
import { type CreateAsked, createAsked, isAskedBy } from './create-asked.ts';
import { isCancelled } from './life.ts';
import type { Validator } from './validator.ts';

const WINDOW_MS = 24 * 3_600_000;
/** For so long a batch is what comes of its idempotency key. */
const KEY_MS = 24 * 3_600_000;
const ID_CHARS = 32;

export interface DeskContext {
  readonly clock: Clock;
  readonly records: BatchRecords;
  readonly files: Pick<FileRecords, 'fileOf'>;
  readonly validator: Pick<Validator, 'validate' | 'cancel'>;
  /** 32 hexadecimal digits that nobody can guess. */
  readonly newId: () => string;
}

/** What clients ask of batches. One belongs to whoever made it; to others it does not exist. Rejects with GatewayErrors. */
export class BatchDesk {
  readonly #context: DeskContext;

  constructor(context: DeskContext) {
    this.#context = context;
  }

  /** A file that is not there is no refusal: the batch that names it fails, as with OpenAI. @throws invalid_value */
  async create(body: JsonObject, owner: Owner): Promise<BatchRow> {
    const asked = createAsked(body);
    return told(() => this.#add(`batch_${this.#context.newId()}`, asked, owner));
  }

  /**
   * The same, once for each idempotency key of an owner in a day: whoever asks again is given the batch that there is. Its id is made of the key,
   * so that all processes and gateways that use one store come to the same one. @throws invalid_value · idempotency_key_reused
   */
  async createOnce(body: JsonObject, owner: Owner, key: string): Promise<{ readonly row: BatchRow; readonly isNew: boolean }> {
    const { clock, records } = this.#context;
    const asked = createAsked(body);
    return told(async () => {
      for (let earlier = 0; ; earlier++) {
        const id = idOf(owner, key, earlier);
        const known = await records.batchOf(id, owner);
        if (known !== null && clock.wall() - known.createdAt >= KEY_MS) continue;
        const row = known ?? (await this.#add(id, asked, owner));
        // Another may have come with another body at the same time.
        if (!isAskedBy(row, asked)) throw idempotencyKeyReused();
        return { row, isNew: known === null };
      }
    });
  }

  async #add(id: string, asked: CreateAsked, owner: Owner): Promise<BatchRow> {
    const { clock, records, files, validator } = this.#context;
    const createdAt = Math.floor(clock.wall());
    const file = await files.fileOf(asked.inputFile, owner, createdAt);
    if (file !== null && file.purpose !== 'batch') {
      const message = `The file ${file.id} has the purpose '${file.purpose}'; the input file of a batch has the purpose 'batch'.`;
      throw new GatewayError('invalid_value', message, { param: 'input_file_id' });
    }
    await records.addBatch({ ...asked, id, owner, createdAt, expiresAt: createdAt + WINDOW_MS });
    const row = await records.batchOf(id, owner);
    void validator.validate({ id });
    return row ?? unknown(id);
  }

  /** @param owner null: anybody's @throws not_found */
  find(id: string, owner: Owner | null): Promise<BatchRow> {
    return told(async () => (await this.#context.records.batchOf(id, owner)) ?? unknown(id));
  }

  list(owner: Owner | null, page: Page): Promise<Listed<BatchRow>> {
    return told(() => this.#context.records.listBatches(owner, page));
  }

  /** A second time is as good as the first. @throws not_found · conflict for one that has ended otherwise */
  cancel(id: string, owner: Owner | null): Promise<BatchRow> {
    const { clock, records, validator } = this.#context;
    return told(async () => {
      const row = (await records.cancelBatch(id, owner, clock.wall())) ?? unknown(id);
      if (!isCancelled(row.status)) {
        throw new GatewayError('conflict', `Cannot cancel a batch with status '${row.status}'.`, { code: null });
      }
      validator.cancel(id);
      return row;
    });
  }

  /** What is on record of what it has written, until it has ended. */
  journalsOf(id: string): Promise<readonly Journal[]> {
    return told(() => this.#context.records.journalsOf(id));
  }

  /** What its input file is called; null: it is gone. */
  inputName({ inputFile, owner }: Pick<BatchRow, 'inputFile' | 'owner'>): Promise<string | null> {
    const { clock, files } = this.#context;
    return told(async () => (await files.fileOf(inputFile, owner, clock.wall()))?.filename ?? null);
  }

  /** Lines that wait and run, by model. */
  waiting(id: string): Promise<ReadonlyMap<string, number>> {
    return told(() => this.#context.records.waitingLines(id));
  }
}

/** @param earlier how many batches the same key has made in days before */
function idOf(owner: Owner, key: string, earlier: number): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([owner, key, earlier]))
    .digest('hex');
  return `batch_${digest.slice(0, ID_CHARS)}`;
}

function unknown(id: string): never {
  throw new GatewayError('not_found', `No batch found with id '${shownName(id)}'.`, { code: null });
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    throw new GatewayError('store_unavailable', 'What is known of batches cannot be looked up or written down at the moment.', {
      cause: error,
    });
  }
}
