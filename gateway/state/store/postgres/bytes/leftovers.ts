import type { Fragment, Statements } from '../statements.ts';
import type { ByteLink } from './byte-link.ts';

// Times are the server's: several machines look.

/** A draft of which nothing was heard for so long has nobody who writes it. */
const DEAD_DRAFT_S = 900;
/** Whoever reads a file asks again before; a client that takes nothing is dropped sooner. */
const READING_S = 300;
/** A file gets its bytes before its row: one without a row may be a moment old. */
const NAMELESS_S = 3_600;
/** What one statement removes: 16 MiB. */
const CHUNKS_REMOVED = 64;

/** What nobody writes or reads any more, by their numbers. */
export async function leftoversOf(link: ByteLink, most: number): Promise<string[]> {
  const rows = await link.ask((sql) => sql<{ seq: number }[]>`SELECT seq FROM file_bytes WHERE ${isLeft(sql)} ORDER BY seq LIMIT ${most}`);
  return rows.map(({ seq }) => String(seq));
}

/** From then on nothing is added to it, and it becomes nobody's bytes. */
export async function dropLeftover(link: ByteLink, seq: number): Promise<void> {
  const { count } = await link.ask((sql) => sql`UPDATE file_bytes SET state = 2 WHERE seq = ${seq} AND ${isLeft(sql)}`);
  if (count > 0) await dropChunks(link, seq);
}

/** All chunks of what is nobody's, some at a time, and then itself. Where two do so, it stays until all are gone. */
export async function dropChunks(link: ByteLink, seq: number): Promise<void> {
  for (let removed = 1; removed > 0;) {
    ({ count: removed } = await link.carry(
      (sql) => sql`
        DELETE FROM file_chunks
        WHERE file = ${seq} AND number < (SELECT min(number) FROM file_chunks WHERE file = ${seq}) + ${CHUNKS_REMOVED}::integer`,
    ));
  }
  await link.ask(
    (sql) => sql`
      DELETE FROM file_bytes WHERE seq = ${seq} AND state = 2 AND NOT EXISTS (SELECT 1 FROM file_chunks WHERE file = ${seq})`,
  );
}

/** Bytes that were kept, and of which no row of a file has come. */
export async function namelessOf(link: ByteLink, most: number): Promise<string[]> {
  const rows = await link.ask(
    (sql) => sql<{ id: string }[]>`
      SELECT id FROM file_bytes
      WHERE state = 1 AND used_at < clock_timestamp() - ${NAMELESS_S} * interval '1 second'
        AND NOT EXISTS (SELECT 1 FROM files WHERE files.id = file_bytes.id)
      ORDER BY seq LIMIT ${most}`,
  );
  return rows.map(({ id }) => id);
}

function isLeft(sql: Statements): Fragment {
  const unheardS = sql`CASE state WHEN 0 THEN ${DEAD_DRAFT_S}::integer ELSE ${READING_S}::integer END`;
  return sql`state <> 1 AND used_at < clock_timestamp() - ${unheardS} * interval '1 second'`;
}
