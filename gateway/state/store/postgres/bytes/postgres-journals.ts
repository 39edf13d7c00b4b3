import type { Journal } from '../../batch-terms.ts';
import type { JournalBytes, OpenJournal, Side } from '../../file-bytes.ts';
import { StoreFailed } from '../../store-failed.ts';
import { assembled, type Committed } from './assemble.ts';
import { type ByteLink, CHUNK_BYTES, CHUNKS_AT_ONCE, TRAVEL } from './byte-link.ts';
import { PostgresJournal } from './postgres-journal.ts';

/** What one statement removes, in however many parts. */
const REMOVED_BYTES = 16_777_216;
/** Behind it no ticket comes. */
const LAST_TICKET = Number.MAX_SAFE_INTEGER;

/** Journals in the server. One a process, so that the tickets of each holder rise. */
export class PostgresJournals implements JournalBytes {
  readonly #link: ByteLink;
  #tickets = 0;

  constructor(link: ByteLink) {
    this.#link = link;
  }

  open(batch: string, holder: string, { outputBytes, errorBytes }: Pick<Journal, 'outputBytes' | 'errorBytes'>): OpenJournal {
    const writer = { batch, holder, nextTicket: () => ++this.#tickets };
    return new PostgresJournal(this.#link, writer, { out: outputBytes, err: errorBytes });
  }

  async assemble(batch: string, journals: readonly Journal[], side: Side, id: string): Promise<number> {
    const written = journals.filter((journal) => bytesOf(journal, side) > 0);
    if (written.length === 0) return 0;
    const rows = await this.#link.ask(
      (sql) => sql<{ holder: string; seq: number }[]>`SELECT holder, seq FROM journal_bytes WHERE batch = ${batch} AND side = ${side}`,
    );
    const seqs = new Map(rows.map(({ holder, seq }) => [holder, seq]));
    const committed = written.map((journal): Committed => {
      const seq = seqs.get(journal.holder);
      if (seq === undefined) throw new StoreFailed('error', 'a journal has been removed of which something is committed');
      return { seq, bytes: bytesOf(journal, side) };
    });
    return assembled(this.#link, committed, id);
  }

  /** Parts have at most the size of a chunk, and lie one behind the other. */
  async read(batch: string, holder: string, side: Side, from: number, most: number): Promise<Buffer> {
    const wanted = Math.min(most, (CHUNKS_AT_ONCE - 1) * CHUNK_BYTES);
    const rows = await this.#link.carry(
      (sql) => sql<{ text: string }[]>`
        SELECT encode(substring(data FROM greatest(${from}::bigint - first_byte, 0)::integer + 1), 'base64') AS text
        FROM journal_parts JOIN journal_bytes ON seq = journal
        WHERE batch = ${batch} AND holder = ${holder} AND side = ${side}
          AND first_byte > ${from - CHUNK_BYTES}::bigint AND first_byte < ${from + wanted}::bigint
        ORDER BY first_byte`,
    );
    return Buffer.concat(rows.map(({ text }) => Buffer.from(text, TRAVEL))).subarray(0, wanted);
  }

  async batches(): Promise<readonly string[]> {
    const rows = await this.#link.ask((sql) => sql<{ batch: string }[]>`SELECT DISTINCT batch FROM journal_bytes`);
    return rows.map(({ batch }) => batch);
  }

  /** Nothing is written any more to those that are there, and then they go, some parts at a time. Several may do so. */
  async remove(batch: string): Promise<void> {
    const rows = await this.#link.ask(
      (sql) => sql<{ seq: number }[]>`UPDATE journal_bytes SET ticket = ${LAST_TICKET} WHERE batch = ${batch} RETURNING seq`,
    );
    for (const { seq } of rows) {
      for (let removed = 1; removed > 0;) {
        ({ count: removed } = await this.#link.carry(
          (sql) => sql`
            DELETE FROM journal_parts
            WHERE journal = ${seq}
              AND first_byte < (SELECT min(first_byte) FROM journal_parts WHERE journal = ${seq}) + ${REMOVED_BYTES}::integer`,
        ));
      }
      await this.#link.ask(
        (sql) => sql`
          DELETE FROM journal_bytes WHERE seq = ${seq} AND NOT EXISTS (SELECT 1 FROM journal_parts WHERE journal = ${seq})`,
      );
    }
  }
}

function bytesOf({ outputBytes, errorBytes }: Journal, side: Side): number {
  return side === 'out' ? outputBytes : errorBytes;
}
