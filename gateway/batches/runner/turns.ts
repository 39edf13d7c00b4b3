import type { BatchRow } from '../../state/store/batch-terms.ts';

/**
 * Which batches run: at most `most`, each owner in turn, and of one owner the oldest first. What runs already keeps its turn before what is
 * as old. Every process of the gateway comes to the same, since all see the same rows. Pure.
 */
export function chosen(rows: readonly BatchRow[], most: number): BatchRow[] {
  const byOwner = new Map<string, BatchRow[]>();
  for (const row of rows) {
    const own = byOwner.get(row.owner);
    if (own) own.push(row);
    else byOwner.set(row.owner, [row]);
  }
  const found: BatchRow[] = [];
  for (let round = 0; found.length < most; round++) {
    const before = found.length;
    for (const own of byOwner.values()) if (own[round] !== undefined && found.length < most) found.push(own[round]!);
    if (found.length === before) break;
  }
  return found;
}

/** How a batch that is validated is to end now; null: it goes on. @param wall wall-clock ms */
export function endOf(row: BatchRow, wall: number): 'completed' | 'expired' | 'cancelled' | null {
  if (row.status === 'cancelling') return 'cancelled';
  if (row.completed + row.failed >= row.total) return 'completed';
  return row.status === 'finalizing' || row.expiresAt <= wall ? 'expired' : null;
}

/** Somebody who takes turns: whoever was served longest ago is next. */
export interface InTurn {
  readonly owner: string;
  servedAt: number;
}

/** Takes turns between owners, and between batches of one. */
export class Turns {
  readonly #owners = new Map<string, number>();
  #turn = 0;

  /** Whose line runs next; null where there is nobody. It counts as served. */
  next<Work extends InTurn>(works: Iterable<Work>): Work | null {
    let found: Work | null = null;
    let [owner, own] = [Infinity, Infinity];
    for (const work of works) {
      const ofOwner = this.#owners.get(work.owner) ?? 0;
      if (ofOwner > owner || (ofOwner === owner && work.servedAt >= own)) continue;
      [found, owner, own] = [work, ofOwner, work.servedAt];
    }
    if (found === null) return null;
    found.servedAt = ++this.#turn;
    this.#owners.set(found.owner, this.#turn);
    return found;
  }

  /** Owners without a batch are forgotten. */
  keep(owners: ReadonlySet<string>): void {
    for (const owner of this.#owners.keys()) if (!owners.has(owner)) this.#owners.delete(owner);
  }
}
