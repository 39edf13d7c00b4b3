import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { FileBytes, OpenBytes } from '../state/store/file-bytes.ts';
import type { FileRow, Listed, Owner, Page } from '../state/store/file-terms.ts';
import type { FileRecords } from '../state/store/ports.ts';
import { fileTrouble } from './disk-trouble.ts';
import { Draft } from './draft.ts';
import { inputRefusal, OUTPUT_PURPOSE, unknownFile } from './file-rules.ts';
import { Sweeper } from './sweeper.ts';

export interface FileSettings {
  readonly max_file_bytes: number;
  readonly batch_max_file_bytes: number;
  readonly expire_batch_files_after_ms: number;
  readonly max_total_bytes: number | null;
}

export interface FilesContext {
  readonly clock: Clock;
  readonly records: FileRecords;
  readonly bytes: FileBytes;
  readonly settings: () => FileSettings;
  /** 32 hexadecimal digits that nobody can guess. */
  readonly newId: () => string;
  /** What somebody has to look after, in words. */
  readonly onTrouble: (doing: string, what: string) => void;
}

/** What is to be known of a file beside its bytes. */
export interface NewFile {
  readonly owner: Owner;
  readonly filename: string;
  readonly purpose: string;
  /** null: nobody said. */
  readonly expiresAfterS: number | null;
}

/** A file that is read. Whoever has opened it closes it. */
export type StoredBytes = OpenBytes & { readonly row: FileRow };

/**
 * Files of clients: their bytes where those lie, what is known of them in the store. Every method rejects with a GatewayError that may be told to
 * the client.
 */
export class Files {
  readonly bytes: FileBytes;
  readonly #context: FilesContext;
  readonly #sweeper: Sweeper;

  constructor(context: FilesContext) {
    this.#context = context;
    this.bytes = context.bytes;
    this.#sweeper = new Sweeper(context);
  }

  get settings(): FileSettings {
    return this.#context.settings();
  }

  /** Removes what earlier processes have left, then and now what nobody needs any more. */
  start(): void {
    this.#sweeper.start();
  }

  newId(): string {
    return `file-${this.#context.newId()}`;
  }

  /** When a file goes. @param afterS as whoever made it said; null: nobody did @returns null: it stays until it is deleted */
  expiryOf(purpose: string, createdAt: number, afterS: number | null): number | null {
    if (afterS !== null) return createdAt + afterS * 1_000;
    return purpose === 'batch' || purpose === OUTPUT_PURPOSE ? createdAt + this.settings.expire_batch_files_after_ms : null;
  }

  /** A file to be written. @param least how many bytes will come, as far as anybody said @throws storage_full · store_unavailable */
  async begin(least = 0): Promise<Draft> {
    const { max_total_bytes: most } = this.settings;
    return this.#tell('beginning a file', async () => {
      if (most !== null && (await this.#context.records.totalBytes()) + Math.max(least, 1) > most) throw noRoom(most);
      return Draft.begin(this.bytes, this.newId());
    });
  }

  /** Keeps what was written as a file: its bytes first, then its row. Whatever it throws, nothing is left. */
  async add(draft: Draft, { owner, filename, purpose, expiresAfterS }: NewFile): Promise<FileRow> {
    const { clock, records } = this.#context;
    const { max_total_bytes: most, batch_max_file_bytes: mostOfBatch } = this.settings;
    return this.#tell('keeping a file', async () => {
      if (purpose === 'batch') {
        const refusal = draft.bytes > mostOfBatch ? batchTooLarge() : inputRefusal(draft.head, draft.bytes > draft.head.length);
        if (refusal !== null) {
          await draft.discard();
          throw refusal;
        }
      }
      await draft.keep();
      const createdAt = Math.floor(clock.wall());
      const expiresAt = this.expiryOf(purpose, createdAt, expiresAfterS);
      const row: FileRow = { id: draft.id, owner, bytes: draft.bytes, createdAt, filename, purpose, expiresAt };
      let added: 'added' | 'full';
      try {
        added = await records.addFile(row, most);
      } catch (error) {
        await this.#takeBack(row);
        throw error;
      }
      if (added === 'added') return row;
      await this.bytes.remove(row.id).catch(() => {});
      throw noRoom(most!);
    });
  }

  /** @throws not_found for one that is another's too */
  async find(id: string, owner: Owner | null): Promise<FileRow> {
    const { clock, records } = this.#context;
    const row = await this.#tell('looking a file up', () => records.fileOf(id, owner, clock.wall()));
    if (row === null) throw unknownFile(id);
    return row;
  }

  list(owner: Owner | null, purpose: string | null, page: Page): Promise<Listed<FileRow>> {
    const { clock, records } = this.#context;
    return this.#tell('listing files', () => records.listFiles(owner, purpose, page, clock.wall()));
  }

  /** Its bytes go when no batch needs them any more. @throws not_found */
  async remove(id: string, owner: Owner | null): Promise<void> {
    const { clock, records } = this.#context;
    const wasThere = await this.#tell('deleting a file', () => records.deleteFile(id, owner, clock.wall()));
    if (!wasThere) throw unknownFile(id);
    this.#sweeper.poke();
  }

  /** Its bytes, to be read from any place. What is deleted meanwhile is read to its end. @throws not_found */
  async open(id: string, owner: Owner | null): Promise<StoredBytes> {
    return this.openRead(await this.find(id, owner));
  }

  /** The same of a file that may have been deleted since, for whoever needs its bytes still. @throws store_unavailable when they are gone */
  openRead(row: FileRow): Promise<StoredBytes> {
    return this.#tell(`reading ${row.id}`, async () => {
      const bytes = await this.bytes.open(row.id);
      return { row, size: bytes.size, read: (into, position) => bytes.read(into, position), close: () => bytes.close() };
    });
  }

  /** What the client is told of what was thrown; somebody hears of what is no fault of his. */
  told(doing: string, thrown: unknown): GatewayError {
    const error = fileTrouble(thrown);
    if (thrown !== error) this.#context.onTrouble(doing, thrown instanceof Error ? thrown.message : String(thrown));
    return error;
  }

  /** Sweeps no more. Resolves when nothing is under way. */
  close(): Promise<void> {
    return this.#sweeper.close();
  }

  /** Of a file of which nobody knows whether it has been taken down. */
  async #takeBack({ id }: FileRow): Promise<void> {
    const { clock, records } = this.#context;
    try {
      // Where it was, the sweeper does the rest.
      if (!(await records.deleteFile(id, null, clock.wall()))) await this.bytes.remove(id);
    } catch {
      // It stays until it is so old that it must have a row.
    }
  }

  async #tell<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw this.told(doing, thrown);
    }
  }
}

export function fileTooLarge(most: number): GatewayError {
  return new GatewayError('request_too_large', `The file is larger than ${most} bytes.`, { param: 'file' });
}

/** As OpenAI says it. */
export function batchTooLarge(): GatewayError {
  return new GatewayError('invalid_value', 'File is too large.', { param: 'file', code: null });
}

function noRoom(most: number): GatewayError {
  const message = `All files together may have ${most} bytes, and there is no room for another: delete some that are not needed any more.`;
  return new GatewayError('storage_full', message);
}
