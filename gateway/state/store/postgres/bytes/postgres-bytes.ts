import type { Clock } from '../../../../core/clock.ts';
import { type DraftBytes, type FileBytes, type JournalBytes, NoSuchBytes, type OpenBytes } from '../../file-bytes.ts';
import type { PostgresLink } from '../link.ts';
import { ByteLink } from './byte-link.ts';
import { DraftRow } from './draft-row.ts';
import { dropLeftover, leftoversOf, namelessOf } from './leftovers.ts';
import { PostgresDraft } from './postgres-draft.ts';
import { PostgresJournals } from './postgres-journals.ts';
import { PostgresReader } from './postgres-reader.ts';

/** Bytes of files in a server that several machines share. Everything rejects with StoreFailed, but for `open`, which knows NoSuchBytes too. */
export class PostgresBytes implements FileBytes {
  readonly journals: JournalBytes;
  readonly #link: ByteLink;

  constructor(link: PostgresLink, clock: Clock) {
    this.#link = new ByteLink(link, clock);
    this.journals = new PostgresJournals(this.#link);
  }

  async draft(id: string): Promise<DraftBytes> {
    return new PostgresDraft(this.#link, await DraftRow.begin(this.#link, id));
  }

  async open(id: string): Promise<OpenBytes> {
    // Whoever removes it from now on knows that it is read.
    const [row] = await this.#link.ask(
      (sql) => sql<{ seq: number; bytes: number }[]>`
        UPDATE file_bytes SET used_at = clock_timestamp() WHERE id = ${id} AND state = 1 RETURNING seq, bytes`,
    );
    if (row === undefined) throw new NoSuchBytes(id);
    return new PostgresReader(this.#link, row.seq, row.bytes);
  }

  async remove(id: string): Promise<void> {
    await this.#link.ask((sql) => sql`UPDATE file_bytes SET state = 2 WHERE id = ${id} AND state = 1`);
  }

  leftovers(_now: number, most: number): Promise<string[]> {
    return leftoversOf(this.#link, most);
  }

  removeLeftover(name: string): Promise<void> {
    return dropLeftover(this.#link, Number(name));
  }

  /** The rows of files are here, too. */
  nameless(_now: number, most: number): Promise<string[]> {
    return namelessOf(this.#link, most);
  }
}
