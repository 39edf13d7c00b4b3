import { StoreFailed } from '../../store-failed.ts';
import { type ByteLink, CHUNK_BYTES } from './byte-link.ts';
import { DraftRow, isDead } from './draft-row.ts';

/** What the server copies by one statement: some megabytes, in a fraction of the time that it is given. */
const CHUNKS_A_STEP = 8;

/** What is committed of a journal. */
export interface Committed {
  readonly seq: number;
  readonly bytes: number;
}

/** A journal, and where in the file it begins. */
interface Placed extends Committed {
  readonly base: number;
}

/**
 * Makes a file of journals, one after the other: the server copies, step by step, and no byte leaves it. A copy, because who has written a
 * journal may only seem to be gone. @returns its bytes @throws StoreFailed; nothing is left then
 */
export async function assembled(link: ByteLink, journals: readonly Committed[], id: string): Promise<number> {
  let total = 0;
  const placed = journals.map(({ seq, bytes }): Placed => {
    total += bytes;
    return { seq, bytes, base: total - bytes };
  });
  const draft = await DraftRow.begin(link, id);
  try {
    const step = CHUNKS_A_STEP * CHUNK_BYTES;
    for (let from = 0; from < total; from += step) await copy(link, draft, placed, from, Math.min(from + step, total));
    await draft.keep(total);
    return total;
  } catch (error) {
    await draft.drop();
    throw error;
  }
}

/** The bytes `from` on, up to `to`, from whichever journals they are in. */
async function copy(link: ByteLink, draft: DraftRow, all: readonly Placed[], from: number, to: number): Promise<void> {
  await draft.goesOn();
  const some = all.filter(({ base, bytes }) => base < to && base + bytes > from);
  const [first, last] = [from / CHUNK_BYTES, Math.ceil(to / CHUNK_BYTES) - 1];
  const chunks = await link.carry(
    (sql) => sql<{ bytes: number }[]>`
        WITH draft AS (SELECT seq FROM file_bytes WHERE seq = ${draft.seq} AND state = 0 FOR SHARE), parts AS (
          SELECT base + first_byte AS start, base + least(first_byte + octet_length(data), bytes) AS stop, data
          FROM unnest(
            ${some.map(({ seq }) => seq)}::bigint[], ${some.map(({ base }) => base)}::bigint[], ${some.map(({ bytes }) => bytes)}::bigint[]
          ) AS journals (journal, base, bytes)
          JOIN journal_parts USING (journal)
          WHERE first_byte < bytes AND first_byte < ${to}::bigint - base AND first_byte > ${from}::bigint - base - ${CHUNK_BYTES}::integer
        ), chunks AS (
          SELECT number, number::bigint * ${CHUNK_BYTES}::integer AS start, (number + 1)::bigint * ${CHUNK_BYTES}::integer AS stop
          FROM generate_series(${first}::integer, ${last}::integer) AS number
        )
        INSERT INTO file_chunks
        SELECT seq, number, string_agg(
          substring(data FROM greatest(chunks.start - parts.start, 0)::integer + 1
            FOR (least(chunks.stop, parts.stop) - greatest(chunks.start, parts.start))::integer),
          ''::bytea ORDER BY parts.start
        )
        FROM draft CROSS JOIN chunks JOIN parts ON parts.start < chunks.stop AND parts.stop > chunks.start
        GROUP BY seq, number
        RETURNING octet_length(data) AS bytes`,
  );
  if (chunks.length === 0) throw isDead();
  const copied = chunks.reduce((sum, { bytes }) => sum + bytes, 0);
  if (copied !== to - from) throw new StoreFailed('error', 'a journal is shorter than what is committed of it');
}
