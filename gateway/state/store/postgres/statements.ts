import type { PendingQuery, Row, Sql } from 'postgres';

/** What all may run statements on: the pool, or a transaction. */
export type Statements = Sql;
/** A part of a statement, with its values. */
export type Fragment = PendingQuery<Row[]>;

export const WORK_CHANNEL = 'headgate_work';

/** Tells all that there is work, when the transaction is committed. */
export function announceWork(sql: Statements): Promise<unknown> {
  return sql`SELECT pg_notify(${WORK_CHANNEL}, '')`;
}
