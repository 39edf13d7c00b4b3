import { BATCH_COLUMNS, type BatchColumns, batchOfColumns, wholeMs } from '../batch-columns.ts';
import type { BatchRow, NewBatch } from '../batch-terms.ts';
import type { Listed, Owner, Page } from '../file-terms.ts';
import { pageOf } from './pages.ts';
import type { Sql } from './sql.ts';

/** What is known of batches as wholes. */
export class BatchRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  addBatch(batch: NewBatch): void {
    this.#sql.lastingly(() =>
      this.#sql.run(
        `INSERT INTO batches (id, owner, endpoint, input_file, completion_window, metadata, output_expires_after_s, status, is_open,
           created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'validating', 1, ?, ?) ON CONFLICT DO NOTHING`,
        ...[batch.id, batch.owner, batch.endpoint, batch.inputFile, batch.completionWindow],
        ...[batch.metadata && JSON.stringify(batch.metadata), batch.outputExpiresAfterS, batch.createdAt, batch.expiresAt],
      ),
    );
  }

  batchOf(id: string, owner: Owner | null): BatchRow | null {
    const row = this.#sql.get<BatchColumns>(
      `SELECT ${BATCH_COLUMNS} FROM batches WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)`,
      ...[id, owner],
    );
    return row ? batchOfColumns(row) : null;
  }

  listBatches(owner: Owner | null, page: Page): Listed<BatchRow> {
    const filter = { table: 'batches', columns: BATCH_COLUMNS, where: [], owner } as const;
    const { rows, ...rest } = pageOf<BatchColumns>(this.#sql, filter, page);
    return { ...rest, rows: rows.map(batchOfColumns) };
  }

  openBatches(): BatchRow[] {
    // Few of them are open, and the index of those knows nothing of time.
    const rows = this.#sql.all<BatchColumns>(
      `SELECT ${BATCH_COLUMNS} FROM batches INDEXED BY batches_open WHERE is_open = 1 ORDER BY created_at, seq`,
    );
    return rows.map(batchOfColumns);
  }

  cancelBatch(id: string, owner: Owner | null, now: number): BatchRow | null {
    return this.#sql.lastingly(() => {
      this.#sql.run(
        `UPDATE batches SET status = 'cancelling', cancelling_at = ?3, pause_reason = NULL, pause_until = NULL
         WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) AND status IN ('validating', 'in_progress', 'finalizing')`,
        ...[id, owner, now],
      );
      return this.batchOf(id, owner);
    });
  }

  setPause(batch: string, pause: BatchRow['pause']): void {
    this.#sql.together(() =>
      this.#sql.run(
        'UPDATE batches SET pause_reason = ?, pause_until = ? WHERE id = ? AND is_open = 1',
        ...[pause?.reason ?? null, wholeMs(pause?.untilMs), batch],
      ),
    );
  }
}
