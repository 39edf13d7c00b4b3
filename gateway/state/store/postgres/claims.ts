import type { Holder } from '../batch-terms.ts';
import { lifeOf } from '../process-life.ts';
import type { PostgresLink } from './link.ts';
import type { Statements } from './statements.ts';

/** A holder that has said nothing for so long holds nothing any more, by the clock of the server. */
const LEASE_S = 15;
/** Claims of which nobody knows whether they were made. */
const MOST_LOST = 100;

/** Who lives, and so may have claims. Whoever is not known there has none: a claim of his is anybody's. */
export class Claims {
  readonly #link: PostgresLink;
  readonly #lost: string[] = [];

  constructor(link: PostgresLink) {
    this.#link = link;
  }

  async holdOn({ id, process }: Holder): Promise<void> {
    await this.#link.ask(async (sql) => {
      await sql`
        INSERT INTO batch_holders VALUES (${id}, ${process?.pid ?? null}, ${process?.startedAt ?? null}, clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET pid = excluded.pid, started_at = excluded.started_at, seen_at = excluded.seen_at`;
      await this.#freeLost(sql, id);
      await this.#bury(sql);
    });
  }

  async letGo(holder: string): Promise<void> {
    await this.#link.ask(async (sql) => {
      await sql`DELETE FROM batch_holders WHERE id = ${holder}`;
      await this.#freeClaims(sql);
    });
  }

  /** Takes a claim; where there is none, once more when the claims of the dead are free. `attempt` asks whether the holder is known. */
  async take<Claimed>(sql: Statements, attempt: () => Promise<Claimed | null>): Promise<Claimed | null> {
    return (await attempt()) ?? ((await this.#bury(sql)) ? attempt() : null);
  }

  /** A claim of that ticket may have been made, and nobody has been told. */
  lost(ticket: string): void {
    this.#lost.push(ticket);
    if (this.#lost.length > MOST_LOST) this.#lost.shift();
  }

  async #freeLost(sql: Statements, holder: string): Promise<void> {
    if (this.#lost.length === 0) return;
    await sql`UPDATE slices SET holder = NULL WHERE holder = ${holder} AND ticket = ANY(${this.#lost}::text[])`;
  }

  /** @returns whether a claim has come free */
  async #bury(sql: Statements): Promise<boolean> {
    type Row = { readonly id: string; readonly pid: number; readonly startedAt: string };
    const rows = await sql<Row[]>`
      SELECT id, pid, started_at AS "startedAt" FROM batch_holders WHERE pid IS NOT NULL AND started_at IS NOT NULL`;
    const gone = rows.filter((row) => lifeOf(row) === 'gone').map(({ id }) => id);
    await sql`
      DELETE FROM batch_holders WHERE id = ANY(${gone}::text[]) OR seen_at < clock_timestamp() - ${LEASE_S} * interval '1 second'`;
    return this.#freeClaims(sql);
  }

  /** Those that somebody settles at this moment have time. */
  async #freeClaims(sql: Statements): Promise<boolean> {
    const isOrphan = () => sql`holder IS NOT NULL AND NOT EXISTS (SELECT 1 FROM batch_holders WHERE batch_holders.id = holder)`;
    const slices = await sql`
      UPDATE slices SET holder = NULL FROM (
        SELECT lot, slice FROM slices WHERE ${isOrphan()} FOR UPDATE SKIP LOCKED
      ) AS orphans WHERE slices.lot = orphans.lot AND slices.slice = orphans.slice`;
    const batches = await sql`
      UPDATE batches SET holder = NULL WHERE seq IN (SELECT seq FROM batches WHERE ${isOrphan()} FOR UPDATE SKIP LOCKED)`;
    return slices.count + batches.count > 0;
  }
}
