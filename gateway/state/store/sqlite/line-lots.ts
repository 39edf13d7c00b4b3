import { type BatchError, type BatchRow, type LineRow, SLICE_LINES } from '../batch-terms.ts';
import type { BatchRows } from './batch-rows.ts';
import type { Claims } from './claims.ts';
import type { Sql } from './sql.ts';

/** Rows of a lot that are taken away at once. */
const SWEPT_ROWS = 1_000;

interface Validated {
  readonly total: number;
  readonly model: string | null;
  readonly errors: readonly BatchError[] | null;
}

/** How a batch gets its lines, and loses them at its end. */
export class LineLots {
  readonly #sql: Sql;
  readonly #claims: Claims;
  readonly #batches: BatchRows;

  constructor(sql: Sql, claims: Claims, batches: BatchRows) {
    this.#sql = sql;
    this.#claims = claims;
    this.#batches = batches;
  }

  claimBatch(id: string, holder: string): number | null {
    return this.#sql.together(() =>
      this.#claims.take(holder, () => {
        const row = this.#sql.get<{ epoch: number }>(
          `UPDATE batches SET holder = ?1, epoch = epoch + 1 WHERE id = ?2 AND is_open = 1 AND (holder IS NULL OR holder = ?1)
           RETURNING epoch`,
          ...[holder, id],
        );
        return row?.epoch ?? null;
      }),
    );
  }

  beginLines(batch: string, epoch: number): boolean {
    return this.#sql.together(() => {
      if (!this.#isValidating(batch, epoch)) return false;
      dropLot(this.#sql, batch);
      this.#sql.run('INSERT INTO lots DEFAULT VALUES');
      this.#sql.run('UPDATE batches SET lot = last_insert_rowid() WHERE id = ?', batch);
      return true;
    });
  }

  addLines(batch: string, epoch: number, lines: readonly LineRow[]): boolean {
    return this.#sql.together(() => {
      if (!this.#isValidating(batch, epoch)) return false;
      const lot = this.#sql.get<{ lot: number | null }>('SELECT lot FROM batches WHERE id = ?', batch)?.lot;
      if (lot == null) return false;
      const models = new Map<string, { readonly model: number; added: number }>();
      const slices = new Map<number, { added: number; rank: number; model: number }>();
      for (const line of lines) {
        let counted = models.get(line.model);
        if (!counted) models.set(line.model, (counted = { model: this.#modelOf(lot, line.model), added: 0 }));
        const { model } = counted;
        const added = this.#sql.run(
          'INSERT INTO lines (lot, rank, number, first_byte, bytes, model) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
          ...[lot, line.rank, line.number, line.offset, line.length, model],
        );
        if (added === 0) continue;
        counted.added += 1;
        const slice = Math.floor(line.rank / SLICE_LINES);
        const first = slices.get(slice) ?? { added: 0, rank: line.rank, model };
        const next = line.rank < first.rank ? { rank: line.rank, model } : first;
        slices.set(slice, { ...next, added: first.added + 1 });
      }
      for (const { model, added } of models.values()) {
        this.#sql.run('UPDATE line_models SET waiting = waiting + ? WHERE lot = ? AND model = ?', added, lot, model);
      }
      for (const [slice, { added, rank, model }] of slices) {
        this.#sql.run(
          `INSERT INTO slices (lot, slice, waiting, next_rank, next_model) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (lot, slice) DO UPDATE SET waiting = waiting + excluded.waiting, next_rank = min(next_rank, excluded.next_rank),
             next_model = CASE WHEN excluded.next_rank < next_rank THEN excluded.next_model ELSE next_model END`,
          ...[lot, slice, added, rank, model],
        );
      }
      return true;
    });
  }

  endValidation(batch: string, epoch: number, { total, model, errors }: Validated, now: number): BatchRow | null {
    return this.#sql.together(() => {
      if (!this.#sql.get('SELECT 1 FROM batches WHERE id = ? AND epoch = ?', batch, epoch)) return null;
      const isBad = errors !== null;
      // Whoever says it again finds it done.
      if (this.#isValidating(batch, epoch)) {
        if (isBad) dropLot(this.#sql, batch);
        this.#sql.run(
          `UPDATE batches SET holder = NULL, total = ?2, model = ?3 WHERE id = ?1`,
          ...[batch, isBad ? 0 : total, isBad ? null : model],
        );
        this.#sql.run(
          isBad
            ? `UPDATE batches SET status = 'failed', is_open = 0, failed_at = ?2, errors = ?3 WHERE id = ?1 AND status = 'validating'`
            : `UPDATE batches SET status = 'in_progress', in_progress_at = ?2 WHERE id = ?1 AND status = 'validating'`,
          ...[batch, now, ...(isBad ? [JSON.stringify(errors)] : [])],
        );
      }
      return this.#batches.batchOf(batch, null);
    });
  }

  /** Takes away a little of what nobody needs any more. @returns whether there is more */
  sweep(): boolean {
    return this.#sql.together(() => {
      const lot = this.#sql.get<{ lot: number }>('SELECT lot FROM lots WHERE is_over = 1 LIMIT 1')?.lot;
      if (lot === undefined) return false;
      for (const [table, key] of [['lines', 'rank'] as const, ['line_models', 'model'] as const, ['slices', 'slice'] as const]) {
        const some = `SELECT ${key} FROM ${table} WHERE lot = ?1 LIMIT ${SWEPT_ROWS}`;
        if (this.#sql.run(`DELETE FROM ${table} WHERE lot = ?1 AND ${key} IN (${some})`, lot) > 0) return true;
      }
      this.#sql.run('DELETE FROM lots WHERE lot = ?', lot);
      return true;
    });
  }

  #isValidating(batch: string, epoch: number): boolean {
    const isIt = `is_open = 1 AND total = 0 AND status IN ('validating', 'cancelling')`;
    return this.#sql.get(`SELECT 1 FROM batches WHERE id = ? AND epoch = ? AND ${isIt}`, batch, epoch) !== undefined;
  }

  #modelOf(lot: number, name: string): number {
    const known = this.#sql.get<{ model: number }>('SELECT model FROM line_models WHERE lot = ? AND name = ?', lot, name);
    if (known) return known.model;
    const model = this.#sql.get<{ next: number }>('SELECT coalesce(max(model) + 1, 0) AS next FROM line_models WHERE lot = ?', lot)!.next;
    this.#sql.run('INSERT INTO line_models (lot, model, name) VALUES (?, ?, ?)', lot, model, name);
    return model;
  }
}

/** Within a transaction: the batch has no lines any more. */
export function dropLot(sql: Sql, batch: string): void {
  sql.run('UPDATE lots SET is_over = 1 WHERE lot = (SELECT lot FROM batches WHERE id = ?)', batch);
  sql.run('UPDATE batches SET lot = NULL WHERE id = ?', batch);
}
