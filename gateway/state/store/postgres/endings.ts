import type { BatchRow, Journal } from '../batch-terms.ts';
import type { FileRow } from '../file-terms.ts';
import { batchIn } from './batch-rows.ts';
import { dropLot } from './line-lots.ts';
import type { PostgresLink } from './link.ts';
import { insertFile } from './postgres-files.ts';

interface End {
  readonly status: 'completed' | 'expired' | 'cancelled';
  readonly output: FileRow | null;
  readonly error: FileRow | null;
}

/** How a batch ends whose lines have. */
export class Endings {
  readonly #link: PostgresLink;

  constructor(link: PostgresLink) {
    this.#link = link;
  }

  journalsOf(batch: string): Promise<readonly Journal[]> {
    return this.#link.ask(async (sql) => {
      const rows = await sql<Journal[]>`
        SELECT journals.holder, output_bytes AS "outputBytes", error_bytes AS "errorBytes" FROM batches JOIN journals ON batch = seq
        WHERE id = ${batch} ORDER BY journals.holder COLLATE "C"`;
      return [...rows];
    });
  }

  beginFinalizing(batch: string, epoch: number, now: number): Promise<BatchRow | null> {
    return this.#link.together(async (sql) => {
      const [row] = await sql<{ lot: number | null; total: number }[]>`
        SELECT lot, total FROM batches
        WHERE id = ${batch} AND epoch = ${epoch} AND is_open AND status IN ('in_progress', 'finalizing', 'cancelling') FOR UPDATE`;
      if (!row) return null;
      if (row.total === 0) await dropLot(sql, batch);
      else if ((await sql`SELECT 1 FROM slices WHERE lot = ${row.lot} AND waiting > 0 LIMIT 1`).length > 0) return null;
      await sql`UPDATE batches SET status = 'finalizing', finalizing_at = ${now} WHERE id = ${batch} AND status = 'in_progress'`;
      return batchIn(sql, batch);
    });
  }

  finish(batch: string, epoch: number, { status, output, error }: End, now: number): Promise<boolean> {
    return this.#link.together(async (sql) => {
      const [mine] = await sql<{ seq: number; isOpen: boolean }[]>`
        SELECT seq, is_open AS "isOpen" FROM batches WHERE id = ${batch} AND epoch = ${epoch} FOR UPDATE`;
      const row = await batchIn(sql, batch);
      if (!row || !mine) return false;
      const [outputFile, errorFile] = [output?.id ?? null, error?.id ?? null];
      // Whoever says it again finds it done.
      if (!mine.isOpen) return row.outputFile === outputFile && row.errorFile === errorFile;
      for (const file of [output, error]) if (file) await insertFile(sql, file);
      await dropLot(sql, batch);
      await sql`DELETE FROM journals WHERE batch = ${mine.seq}`;
      const last = row.status === 'cancelling' ? 'cancelled' : status;
      await sql`
        UPDATE batches SET status = ${last}, ${sql(`${last}_at`)} = ${now}, is_open = false, holder = NULL, output_file = ${outputFile},
          error_file = ${errorFile}, pause_reason = NULL, pause_until = NULL
        WHERE seq = ${mine.seq}`;
      return true;
    });
  }
}
