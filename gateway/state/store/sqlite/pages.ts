import type { SQLInputValue } from 'node:sqlite';
import type { Listed, Page } from '../file-terms.ts';
import type { Sql } from './sql.ts';

interface Filter {
  readonly table: 'files' | 'batches';
  readonly columns: string;
  /** Each with a place for one value. */
  readonly where: readonly (readonly [condition: string, value: SQLInputValue])[];
  /** Whose; null: anybody's. */
  readonly owner: string | null;
}

/** One page of a list, found by an index wherever it begins. */
export function pageOf<Row>(sql: Sql, { table, columns, where, owner }: Filter, { after, limit, order }: Page): Listed<Row> {
  const filters = owner === null ? where : [...where, ['owner = ?', owner] as const];
  const conditions = filters.map(([condition]) => condition);
  const values = filters.map(([, value]) => value);
  if (after !== null) {
    const place = sql.get<{ createdAt: number; seq: number }>(
      `SELECT created_at AS createdAt, seq FROM ${table} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)`,
      ...[after, owner],
    );
    if (!place) return { rows: [], hasMore: false, isKnown: false };
    conditions.push(`(created_at, seq) ${order === 'asc' ? '>' : '<'} (?, ?)`);
    values.push(place.createdAt, place.seq);
  }
  const filter = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const text = `SELECT ${columns} FROM ${table} ${filter} ORDER BY created_at ${order}, seq ${order} LIMIT ?`;
  const rows = sql.all<Row>(text, ...values, limit + 1);
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit, isKnown: true };
}
