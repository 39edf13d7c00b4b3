import type { OpenJournal, Side } from '../../file-bytes.ts';
import { StoreFailed } from '../../store-failed.ts';
import { type ByteLink, CHUNK_BYTES, CHUNKS_AT_ONCE, TRAVEL } from './byte-link.ts';

const STEP_BYTES = CHUNKS_AT_ONCE * CHUNK_BYTES;

export interface JournalWriter {
  readonly batch: string;
  readonly holder: string;
  /** Above all those before, of this holder. */
  readonly nextTicket: () => number;
}

/**
 * A holder's two journals, in parts by where they begin. Each writing has a ticket, and what arrives when another has begun is refused: a
 * statement that was given up may still be on its way. What has been committed is never removed, not even to be written again.
 */
export class PostgresJournal implements OpenJournal {
  readonly #link: ByteLink;
  readonly #writer: JournalWriter;
  #committed: Readonly<Record<Side, number>>;
  /** Nothing lies behind what is committed. */
  readonly #isClean: Record<Side, boolean> = { out: false, err: false };
  readonly #written = new Set<Side>();

  constructor(link: ByteLink, writer: JournalWriter, committed: Readonly<Record<Side, number>>) {
    this.#link = link;
    this.#writer = writer;
    this.#committed = committed;
  }

  async append(lines: Readonly<Record<Side, readonly Buffer[]>>): Promise<Record<Side, number>> {
    const lengths = { ...this.#committed };
    for (const side of ['out', 'err'] as const) {
      if (lines[side].length === 0) continue;
      const bytes = lines[side].length === 1 ? lines[side][0]! : Buffer.concat(lines[side]);
      await this.#write(side, bytes, lengths[side]);
      lengths[side] += bytes.length;
    }
    return lengths;
  }

  commit(lengths: Readonly<Record<Side, number>>): void {
    this.#committed = { ...lengths };
    for (const side of this.#written) this.#isClean[side] = true;
    this.#written.clear();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #write(side: Side, bytes: Buffer, from: number): Promise<void> {
    const ticket = this.#writer.nextTicket();
    const isClean = this.#isClean[side];
    this.#isClean[side] = false;
    this.#written.delete(side);
    for (let done = 0; done < bytes.length; done += STEP_BYTES) {
      await this.#step(side, ticket, from + done, bytes.subarray(done, done + STEP_BYTES));
    }
    if (!isClean) await this.#trim(side, ticket, from, bytes.length);
    this.#written.add(side);
  }

  async #step(side: Side, ticket: number, from: number, bytes: Buffer): Promise<void> {
    const { batch, holder } = this.#writer;
    const parts = Math.ceil(bytes.length / CHUNK_BYTES);
    const { count } = await this.#link.carry(
      (sql) => sql`
        WITH mine AS (
          INSERT INTO journal_bytes (batch, holder, side, ticket) VALUES (${batch}, ${holder}, ${side}, ${ticket})
          ON CONFLICT (batch, holder, side) DO UPDATE SET ticket = excluded.ticket WHERE journal_bytes.ticket <= excluded.ticket
          RETURNING seq
        ), given AS MATERIALIZED (SELECT decode(${bytes.toString(TRAVEL)}, 'base64') AS data)
        INSERT INTO journal_parts
        SELECT seq, ${from}::bigint + part * ${CHUNK_BYTES}::integer,
          substring(data FROM part * ${CHUNK_BYTES}::integer + 1 FOR ${CHUNK_BYTES}::integer)
        FROM mine, given, generate_series(0, ${parts - 1}::integer) AS part
        ON CONFLICT (journal, first_byte) DO UPDATE SET data = excluded.data`,
    );
    if (count !== parts) throw new StoreFailed('error', 'the journal has been written since, or its batch is over');
  }

  /** What was written before, and never committed, in other parts. */
  async #trim(side: Side, ticket: number, from: number, bytes: number): Promise<void> {
    const { batch, holder } = this.#writer;
    const firsts = Array.from({ length: Math.ceil(bytes / CHUNK_BYTES) }, (_, part) => from + part * CHUNK_BYTES);
    await this.#link.carry(
      (sql) => sql`
        DELETE FROM journal_parts USING journal_bytes
        WHERE seq = journal AND batch = ${batch} AND holder = ${holder} AND side = ${side} AND ticket = ${ticket}
          AND first_byte >= ${from} AND NOT first_byte = ANY(${firsts}::bigint[])`,
    );
  }
}
