import { BATCH_COLUMNS, type BatchColumns, batchOfColumns, wholeMs } from '../batch-columns.ts';
import type { BatchRow, NewBatch } from '../batch-terms.ts';
import type { Listed, Owner, Page } from '../file-terms.ts';
import type { PostgresLink } from './link.ts';
import { announceWork, type Statements } from './statements.ts';
import { pageOf } from './pages.ts';
import { isOf } from './postgres-files.ts';

/** What is known of batches as wholes. */
export class BatchRows {
  readonly #link: PostgresLink;

  constructor(link: PostgresLink) {
    this.#link = link;
  }

  async addBatch(batch: NewBatch): Promise<void> {
    const metadata = batch.metadata && JSON.stringify(batch.metadata);
    await this.#link.together(async (sql) => {
      await sql`
        INSERT INTO batches (id, owner, endpoint, input_file, completion_window, metadata, output_expires_after_s, status, is_open,
          created_at, expires_at)
        VALUES (${batch.id}, ${batch.owner}, ${batch.endpoint}, ${batch.inputFile}, ${batch.completionWindow}, ${metadata},
          ${batch.outputExpiresAfterS}, 'validating', true, ${batch.createdAt}, ${batch.expiresAt})
        ON CONFLICT DO NOTHING`;
      await announceWork(sql);
    });
  }

  batchOf(id: string, owner: Owner | null): Promise<BatchRow | null> {
    return this.#link.ask((sql) => batchIn(sql, id, owner));
  }

  listBatches(owner: Owner | null, page: Page): Promise<Listed<BatchRow>> {
    return this.#link.ask(async (sql) => {
      const filter = { table: 'batches', columns: BATCH_COLUMNS, where: sql`true`, owner } as const;
      const { rows, ...rest } = await pageOf<BatchColumns>(sql, filter, page);
      return { ...rest, rows: rows.map(batchOfColumns) };
    });
  }

  openBatches(): Promise<readonly BatchRow[]> {
    return this.#link.ask(async (sql) => {
      const rows = await sql<BatchColumns[]>`
        SELECT ${sql.unsafe(BATCH_COLUMNS)} FROM batches WHERE is_open ORDER BY created_at, seq`;
      return rows.map(batchOfColumns);
    });
  }

  cancelBatch(id: string, owner: Owner | null, now: number): Promise<BatchRow | null> {
    return this.#link.together(async (sql) => {
      await sql`
        UPDATE batches SET status = 'cancelling', cancelling_at = ${now}, pause_reason = NULL, pause_until = NULL
        WHERE id = ${id} AND ${isOf(sql, owner)} AND status IN ('validating', 'in_progress', 'finalizing')`;
      await announceWork(sql);
      return batchIn(sql, id, owner);
    });
  }

  async setPause(batch: string, pause: BatchRow['pause']): Promise<void> {
    const [reason, until] = [pause?.reason ?? null, wholeMs(pause?.untilMs)];
    await this.#link.ask((sql) => sql`UPDATE batches SET pause_reason = ${reason}, pause_until = ${until} WHERE id = ${batch} AND is_open`);
  }
}

export async function batchIn(sql: Statements, id: string, owner: Owner | null = null): Promise<BatchRow | null> {
  const [row] = await sql<BatchColumns[]>`
    SELECT ${sql.unsafe(BATCH_COLUMNS)} FROM batches WHERE id = ${id} AND ${isOf(sql, owner)}`;
  return row ? batchOfColumns(row) : null;
}
