import { type Claim, type ClaimedLine, SLICE_LINES } from '../batch-terms.ts';
import type { Claims } from './claims.ts';
import type { PostgresLink } from './link.ts';
import { announceWork, type Statements } from './statements.ts';

interface SliceRow {
  readonly lot: number;
  readonly slice: number;
  readonly epoch: number;
}

/** Lines that are to run, and who has them. */
export class Slices {
  readonly #link: PostgresLink;
  readonly #claims: Claims;
  #tickets = 0;

  constructor(link: PostgresLink, claims: Claims) {
    this.#link = link;
    this.#claims = claims;
  }

  async claimSlice(
    batch: string,
    holder: string,
    models: readonly string[] | null,
  ): Promise<{ readonly claim: Claim; readonly lines: readonly ClaimedLine[] } | null> {
    const ticket = `${holder} ${++this.#tickets}`;
    try {
      return await this.#link.ask(async (sql) => {
        const taken = await this.#claims.take(sql, () => free(sql, { batch, holder, models, ticket }));
        if (taken === null) return null;
        const { lot, slice, epoch } = taken;
        // A statement of its own: only what begins after the claim sees all that the one before has settled.
        return { claim: { batch, slice, epoch }, lines: await waitingIn(sql, lot, slice) };
      });
    } catch (error) {
      this.#claims.lost(ticket);
      throw error;
    }
  }

  async releaseSlice({ batch, slice, epoch }: Claim, holder: string): Promise<void> {
    await this.#link.together(async (sql) => {
      await sql`
        UPDATE slices SET holder = NULL
        WHERE lot = (SELECT lot FROM batches WHERE id = ${batch}) AND slice = ${slice} AND epoch = ${epoch} AND holder = ${holder}`;
      await announceWork(sql);
    });
  }

  waitingLines(batch: string): Promise<ReadonlyMap<string, number>> {
    return this.#link.ask(async (sql) => {
      const rows = await sql<{ name: string; waiting: number }[]>`
        SELECT name, line_models.waiting AS waiting FROM batches JOIN line_models USING (lot)
        WHERE id = ${batch} AND line_models.waiting > 0 ORDER BY line_models.model`;
      return new Map(rows.map(({ name, waiting }) => [name, waiting]));
    });
  }
}

interface Wanted {
  readonly batch: string;
  readonly holder: string;
  readonly models: readonly string[] | null;
  readonly ticket: string;
}

async function free(sql: Statements, { batch, holder, models, ticket }: Wanted): Promise<SliceRow | null> {
  const isWanted =
    models === null
      ? sql`true`
      : sql`next_model IN (SELECT model FROM line_models WHERE line_models.lot = slices.lot AND name = ANY(${[...models]}::text[]))`;
  const [row] = await sql<SliceRow[]>`
    WITH picked AS (
      SELECT slices.lot, slice FROM batches JOIN slices USING (lot)
      WHERE batches.id = ${batch} AND total > 0 AND slices.holder IS NULL AND waiting > 0 AND ${isWanted}
        AND EXISTS (SELECT 1 FROM batch_holders WHERE batch_holders.id = ${holder})
      ORDER BY slice LIMIT 1 FOR UPDATE OF slices SKIP LOCKED
    )
    UPDATE slices SET holder = ${holder}, ticket = ${ticket}, epoch = epoch + 1 FROM picked
    WHERE slices.lot = picked.lot AND slices.slice = picked.slice
    RETURNING slices.lot, slices.slice, epoch`;
  return row ?? null;
}

async function waitingIn(sql: Statements, lot: number, slice: number): Promise<ClaimedLine[]> {
  const rows = await sql<ClaimedLine[]>`
    SELECT rank, number, first_byte AS "offset", bytes AS "length", name AS "model", attempts FROM lines JOIN line_models USING (lot, model)
    WHERE lot = ${lot} AND rank >= ${slice * SLICE_LINES} AND rank < ${(slice + 1) * SLICE_LINES} AND state = 0 ORDER BY rank`;
  return [...rows];
}
