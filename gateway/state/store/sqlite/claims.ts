import { lifeOf } from '../process-life.ts';
import type { Holder } from '../batch-terms.ts';
import type { Sql } from './sql.ts';

/** A holder that has said nothing for so long holds nothing any more. */
export const HOLDER_LEASE_MS = 15_000;

interface HolderRow {
  readonly id: string;
  readonly pid: number | null;
  readonly startedAt: string | null;
  readonly seenAt: number;
}

/** Who lives, and so may have claims. Whoever is not known here has none: a claim of his is anybody's. */
export class Claims {
  readonly #sql: Sql;
  readonly #uptime: () => number;

  /** @param uptime ms since the machine was started: the same to all processes, and no step of a clock makes one of them look dead */
  constructor(sql: Sql, uptime: () => number) {
    this.#sql = sql;
    this.#uptime = uptime;
  }

  holdOn({ id, process }: Holder): void {
    this.#sql.together(() => {
      this.#sql.run(
        `INSERT INTO batch_holders VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET pid = excluded.pid, started_at = excluded.started_at, seen_at = excluded.seen_at`,
        ...[id, process?.pid ?? null, process?.startedAt ?? null, this.#uptime()],
      );
      this.#bury();
    });
  }

  letGo(holder: string): void {
    this.#sql.together(() => {
      this.#sql.run('DELETE FROM batch_holders WHERE id = ?', holder);
      this.#freeClaims();
    });
  }

  /** Takes a claim, within a transaction; where there is none, once more when the claims of the dead are free. */
  take<Claimed>(holder: string, attempt: () => Claimed | null): Claimed | null {
    const isKnown = (): boolean => this.#sql.get('SELECT 1 FROM batch_holders WHERE id = ?', holder) !== undefined;
    if (!isKnown()) return null;
    return attempt() ?? (this.#bury() && isKnown() ? attempt() : null);
  }

  /** @returns whether a claim has come free */
  #bury(): boolean {
    const now = this.#uptime();
    for (const row of this.#sql.all<HolderRow>('SELECT id, pid, started_at AS startedAt, seen_at AS seenAt FROM batch_holders')) {
      if (isDead(row, now)) this.#sql.run('DELETE FROM batch_holders WHERE id = ?', row.id);
    }
    return this.#freeClaims();
  }

  #freeClaims(): boolean {
    const isOrphan = 'holder IS NOT NULL AND NOT EXISTS (SELECT 1 FROM batch_holders WHERE id = holder)';
    const slices = this.#sql.run(`UPDATE slices SET holder = NULL WHERE ${isOrphan}`);
    return this.#sql.run(`UPDATE batches SET holder = NULL WHERE ${isOrphan}`) + slices > 0;
  }
}

function isDead({ pid, startedAt, seenAt }: HolderRow, now: number): boolean {
  // One of before the last start of the machine was seen later, or long ago.
  if (Math.abs(now - seenAt) >= HOLDER_LEASE_MS) return true;
  return pid !== null && startedAt !== null && lifeOf({ pid, startedAt }) === 'gone';
}
