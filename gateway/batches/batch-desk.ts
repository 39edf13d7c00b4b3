import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { JsonObject } from '../openai/json-body.ts';
import { shownName } from '../openai/model-names.ts';
import type { BatchRow } from '../state/store/batch-terms.ts';
import type { Listed, Owner, Page } from '../state/store/file-terms.ts';
import type { BatchRecords, FileRecords } from '../state/store/ports.ts';
import { StoreFailed } from '../state/store/store-failed.ts';
import { createAsked } from './create-asked.ts';
import { isCancelled } from './life.ts';
import type { Validator } from './validator.ts';

const WINDOW_MS = 24 * 3_600_000;

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
    const { clock, records, files, validator, newId } = this.#context;
    const asked = createAsked(body);
    return told(async () => {
      const createdAt = Math.floor(clock.wall());
      const file = await files.fileOf(asked.inputFile, owner, createdAt);
      if (file !== null && file.purpose !== 'batch') {
        const message = `The file ${file.id} has the purpose '${file.purpose}'; the input file of a batch has the purpose 'batch'.`;
        throw new GatewayError('invalid_value', message, { param: 'input_file_id' });
      }
      const id = `batch_${newId()}`;
      await records.addBatch({ ...asked, id, owner, createdAt, expiresAt: createdAt + WINDOW_MS });
      const row = await records.batchOf(id, owner);
      void validator.validate({ id });
      return row ?? unknown(id);
    });
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

  /** Lines that wait and run, by model. */
  waiting(id: string): Promise<ReadonlyMap<string, number>> {
    return told(() => this.#context.records.waitingLines(id));
  }
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
