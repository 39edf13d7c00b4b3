import type { Listed, Page } from '../file-terms.ts';
import type { Fragment, Statements } from './statements.ts';

interface Filter {
  readonly table: 'files' | 'batches';
  readonly columns: string;
  readonly where: Fragment;
  /** Whose; null: anybody's. */
  readonly owner: string | null;
}

/** One page of a list, found by an index wherever it begins. */
export async function pageOf<Row>(
  sql: Statements,
  { table, columns, where, owner }: Filter,
  { after, limit, order }: Page,
): Promise<Listed<Row>> {
  const mine = owner === null ? sql`true` : sql`owner = ${owner}`;
  let beyond: Fragment = sql`true`;
  if (after !== null) {
    const [place] = await sql`SELECT created_at, seq FROM ${sql(table)} WHERE id = ${after} AND ${mine}`;
    if (!place) return { rows: [], hasMore: false, isKnown: false };
    const [createdAt, seq] = [Number(place['created_at']), Number(place['seq'])];
    beyond = order === 'asc' ? sql`(created_at, seq) > (${createdAt}, ${seq})` : sql`(created_at, seq) < (${createdAt}, ${seq})`;
  }
  const direction = sql.unsafe(order === 'asc' ? 'ASC' : 'DESC');
  const rows = (await sql`
    SELECT ${sql.unsafe(columns)} FROM ${sql(table)} WHERE ${where} AND ${mine} AND ${beyond}
    ORDER BY created_at ${direction}, seq ${direction} LIMIT ${limit + 1}`) as unknown as readonly Row[];
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit, isKnown: true };
}
