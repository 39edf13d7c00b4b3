import { type Claim, type ClaimedLine, SLICE_LINES } from '../batch-terms.ts';
import type { Claims } from './claims.ts';
import type { Sql } from './sql.ts';

interface SliceRow {
  readonly lot: number;
  readonly slice: number;
  readonly epoch: number;
}

/** Lines that are to run, and who has them. */
export class SlicesDesk {
  readonly #sql: Sql;
  readonly #claims: Claims;

  constructor(sql: Sql, claims: Claims) {
    this.#sql = sql;
    this.#claims = claims;
  }

  claimSlice(batch: string, holder: string, models: readonly string[] | null): { claim: Claim; lines: ClaimedLine[] } | null {
    return this.#sql.together(() => {
      const taken = this.#claims.take(holder, () => this.#free(batch, holder, models));
      if (taken === null) return null;
      const { lot, slice, epoch } = taken;
      return { claim: { batch, slice, epoch }, lines: this.#waiting(lot, slice) };
    });
  }

  releaseSlice({ batch, slice, epoch }: Claim, holder: string): void {
    this.#sql.together(() =>
      this.#sql.run(
        `UPDATE slices SET holder = NULL
         WHERE lot = (SELECT lot FROM batches WHERE id = ?) AND slice = ? AND epoch = ? AND holder = ?`,
        ...[batch, slice, epoch, holder],
      ),
    );
  }

  waitingLines(batch: string): Map<string, number> {
    const rows = this.#sql.all<{ name: string; waiting: number }>(
      `SELECT name, line_models.waiting AS waiting FROM batches JOIN line_models USING (lot)
       WHERE id = ? AND line_models.waiting > 0 ORDER BY line_models.model`,
      batch,
    );
    return new Map(rows.map(({ name, waiting }) => [name, waiting]));
  }

  #free(batch: string, holder: string, models: readonly string[] | null): SliceRow | null {
    const row = this.#sql.get<SliceRow>(
      `UPDATE slices SET holder = ?2, epoch = epoch + 1
       WHERE (lot, slice) = (
         SELECT slices.lot, slice FROM batches JOIN slices USING (lot)
         WHERE id = ?1 AND total > 0 AND slices.holder IS NULL AND waiting > 0
           AND (?3 IS NULL OR next_model IN (
             SELECT line_models.model FROM line_models WHERE line_models.lot = slices.lot AND name IN (SELECT value FROM json_each(?3))))
         ORDER BY slice LIMIT 1)
       RETURNING lot, slice, epoch`,
      ...[batch, holder, models && JSON.stringify(models)],
    );
    return row ?? null;
  }

  #waiting(lot: number, slice: number): ClaimedLine[] {
    return this.#sql.all<ClaimedLine>(
      `SELECT rank, number, first_byte AS offset, bytes AS length, name AS model, attempts FROM lines JOIN line_models USING (lot, model)
       WHERE lot = ? AND rank >= ? AND rank < ? AND state = 0 ORDER BY rank`,
      ...[lot, slice * SLICE_LINES, (slice + 1) * SLICE_LINES],
    );
  }
}
