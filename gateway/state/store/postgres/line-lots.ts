import { type BatchError, type BatchRow, type LineRow, SLICE_LINES } from '../batch-terms.ts';
import { batchIn } from './batch-rows.ts';
import type { Claims } from './claims.ts';
import type { PostgresLink } from './link.ts';
import { announceWork, type Statements } from './statements.ts';

/** Rows of a lot that are taken away at once. */
const SWEPT_ROWS = 5_000;

interface Validated {
  readonly total: number;
  readonly model: string | null;
  readonly errors: readonly BatchError[] | null;
}

/** How a batch gets its lines, and loses them at its end. */
export class LineLots {
  readonly #link: PostgresLink;
  readonly #claims: Claims;

  constructor(link: PostgresLink, claims: Claims) {
    this.#link = link;
    this.#claims = claims;
  }

  claimBatch(id: string, holder: string): Promise<number | null> {
    return this.#link.ask((sql) =>
      this.#claims.take(sql, async () => {
        const [row] = await sql<{ epoch: number }[]>`
          UPDATE batches SET holder = ${holder}, epoch = epoch + 1
          WHERE id = ${id} AND is_open AND (holder IS NULL OR holder = ${holder})
            AND EXISTS (SELECT 1 FROM batch_holders WHERE batch_holders.id = ${holder})
          RETURNING epoch`;
        return row?.epoch ?? null;
      }),
    );
  }

  beginLines(batch: string, epoch: number): Promise<boolean> {
    return this.#link.together(async (sql) => {
      if (!(await validating(sql, batch, epoch))) return false;
      await dropLot(sql, batch);
      await sql`
        WITH fresh AS (INSERT INTO lots DEFAULT VALUES RETURNING lot)
        UPDATE batches SET lot = (SELECT lot FROM fresh) WHERE id = ${batch}`;
      return true;
    });
  }

  addLines(batch: string, epoch: number, lines: readonly LineRow[]): Promise<boolean> {
    const names = [...new Set(lines.map(({ model }) => model))];
    return this.#link.together(async (sql) => {
      const lot = (await validating(sql, batch, epoch))?.lot ?? null;
      if (lot === null) return false;
      await sql`
        INSERT INTO line_models (lot, model, name)
        SELECT ${lot}, (SELECT coalesce(max(model), -1) FROM line_models WHERE lot = ${lot}) + row_number() OVER (ORDER BY place), name
        FROM unnest(${names}::text[]) WITH ORDINALITY AS names (name, place)
        WHERE NOT EXISTS (SELECT 1 FROM line_models WHERE lot = ${lot} AND line_models.name = names.name)`;
      await sql`
        WITH added AS (
          INSERT INTO lines (lot, rank, number, first_byte, bytes, model)
          SELECT ${lot}, rank, number, first_byte, bytes, line_models.model
          FROM unnest(${lines.map(({ rank }) => rank)}::int[], ${lines.map(({ number }) => number)}::int[],
            ${lines.map(({ offset }) => offset)}::bigint[], ${lines.map(({ length }) => length)}::int[],
            ${lines.map(({ model }) => names.indexOf(model))}::int[]) AS given (rank, number, first_byte, bytes, name)
          JOIN line_models ON lot = ${lot} AND line_models.name = (${names}::text[])[given.name + 1]
          ON CONFLICT DO NOTHING RETURNING rank, model
        ), counted AS (
          UPDATE line_models SET waiting = waiting + sums.added
          FROM (SELECT model, count(*)::int AS added FROM added GROUP BY model) AS sums
          WHERE lot = ${lot} AND line_models.model = sums.model
        )
        INSERT INTO slices (lot, slice, waiting, next_rank, next_model)
        SELECT ${lot}, rank / ${SLICE_LINES}, count(*), min(rank), (array_agg(model ORDER BY rank))[1] FROM added GROUP BY 2
        ON CONFLICT (lot, slice) DO UPDATE SET waiting = slices.waiting + excluded.waiting,
          next_rank = least(slices.next_rank, excluded.next_rank),
          next_model = CASE WHEN excluded.next_rank < slices.next_rank THEN excluded.next_model ELSE slices.next_model END`;
      return true;
    });
  }

  endValidation(batch: string, epoch: number, { total, model, errors }: Validated, now: number): Promise<BatchRow | null> {
    return this.#link.together(async (sql) => {
      const [row] = await sql`SELECT 1 FROM batches WHERE id = ${batch} AND epoch = ${epoch} FOR UPDATE`;
      if (!row) return null;
      // Whoever says it again finds it done.
      if (await validating(sql, batch, epoch)) {
        if (errors !== null) await dropLot(sql, batch);
        const [lines, one] = errors === null ? [total, model] : [0, null];
        await sql`UPDATE batches SET holder = NULL, total = ${lines}, model = ${one} WHERE id = ${batch}`;
        const isNow =
          errors === null
            ? sql`status = 'in_progress', in_progress_at = ${now}`
            : sql`status = 'failed', is_open = false, failed_at = ${now}, errors = ${JSON.stringify(errors)}`;
        await sql`UPDATE batches SET ${isNow} WHERE id = ${batch} AND status = 'validating'`;
        await announceWork(sql);
      }
      return batchIn(sql, batch);
    });
  }

  /** Takes away a little of what nobody needs any more. @returns whether there is more */
  sweep(): Promise<boolean> {
    return this.#link.together(async (sql) => {
      const [over] = await sql<{ lot: number }[]>`SELECT lot FROM lots WHERE is_over LIMIT 1 FOR UPDATE SKIP LOCKED`;
      if (!over) return false;
      for (const table of ['lines', 'line_models', 'slices'] as const) {
        const rows = sql(table);
        const { count } = await sql`
          DELETE FROM ${rows} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${rows} WHERE lot = ${over.lot} LIMIT ${SWEPT_ROWS}))`;
        if (count > 0) return true;
      }
      await sql`DELETE FROM lots WHERE lot = ${over.lot}`;
      return true;
    });
  }
}

/** Within a transaction, in which nobody else changes that batch then. */
async function validating(sql: Statements, batch: string, epoch: number): Promise<{ readonly lot: number | null } | undefined> {
  const [row] = await sql<{ lot: number | null }[]>`
    SELECT lot FROM batches
    WHERE id = ${batch} AND epoch = ${epoch} AND is_open AND total = 0 AND status IN ('validating', 'cancelling') FOR UPDATE`;
  return row;
}

/** Within a transaction: the batch has no lines any more. */
export async function dropLot(sql: Statements, batch: string): Promise<void> {
  await sql`UPDATE lots SET is_over = true WHERE lot = (SELECT lot FROM batches WHERE id = ${batch})`;
  await sql`UPDATE batches SET lot = NULL WHERE id = ${batch}`;
}
