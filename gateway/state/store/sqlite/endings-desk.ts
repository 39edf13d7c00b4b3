import type { BatchRow, Journal } from '../batch-terms.ts';
import type { FileRow } from '../file-terms.ts';
import type { BatchRows } from './batch-rows.ts';
import { insertFile } from './files-desk.ts';
import { dropLot } from './line-lots.ts';
import type { Sql } from './sql.ts';

interface End {
  readonly status: 'completed' | 'expired' | 'cancelled';
  readonly output: FileRow | null;
  readonly error: FileRow | null;
}

/** How a batch ends whose lines have. */
export class EndingsDesk {
  readonly #sql: Sql;
  readonly #batches: BatchRows;

  constructor(sql: Sql, batches: BatchRows) {
    this.#sql = sql;
    this.#batches = batches;
  }

  journalsOf(batch: string): Journal[] {
    return this.#sql.all<Journal>(
      `SELECT journals.holder, output_bytes AS outputBytes, error_bytes AS errorBytes FROM batches JOIN journals ON batch = seq
       WHERE id = ? ORDER BY journals.holder`,
      batch,
    );
  }

  beginFinalizing(batch: string, epoch: number, now: number): BatchRow | null {
    return this.#sql.together(() => {
      const row = this.#sql.get<{ lot: number | null; total: number }>(
        `SELECT lot, total FROM batches
         WHERE id = ? AND epoch = ? AND is_open = 1 AND status IN ('in_progress', 'finalizing', 'cancelling')`,
        ...[batch, epoch],
      );
      if (!row) return null;
      if (row.total === 0) dropLot(this.#sql, batch);
      else if (this.#sql.get('SELECT 1 FROM slices WHERE lot = ? AND waiting > 0', row.lot)) return null;
      this.#sql.run(`UPDATE batches SET status = 'finalizing', finalizing_at = ? WHERE id = ? AND status = 'in_progress'`, now, batch);
      return this.#batches.batchOf(batch, null);
    });
  }

  /** On the disk when it returns: the caller removes the journals then. */
  finish(batch: string, epoch: number, { status, output, error }: End, now: number): boolean {
    return this.#sql.lastingly(() => {
      const row = this.#batches.batchOf(batch, null);
      const mine = this.#sql.get<{ seq: number; isOpen: number }>(
        'SELECT seq, is_open AS isOpen FROM batches WHERE id = ? AND epoch = ?',
        ...[batch, epoch],
      );
      if (!row || !mine) return false;
      const [outputFile, errorFile] = [output?.id ?? null, error?.id ?? null];
      // Whoever says it again finds it done.
      if (!mine.isOpen) return row.outputFile === outputFile && row.errorFile === errorFile;
      for (const file of [output, error]) if (file) insertFile(this.#sql, file);
      dropLot(this.#sql, batch);
      this.#sql.run('DELETE FROM journals WHERE batch = ?', mine.seq);
      const last = row.status === 'cancelling' ? 'cancelled' : status;
      this.#sql.run(
        `UPDATE batches SET status = ?, ${last}_at = ?, is_open = 0, holder = NULL, output_file = ?, error_file = ?, pause_reason = NULL,
           pause_until = NULL
         WHERE seq = ?`,
        ...[last, now, outputFile, errorFile, mine.seq],
      );
      return true;
    });
  }
}
