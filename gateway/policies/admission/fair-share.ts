import type { Waiting } from './waiting.ts';

/** A call that would wait. */
interface Coming {
  readonly flow: string;
  readonly isLater: boolean;
}

/** How many of those who wait leave before the next call of `flow`: its own, and of each other as many as that has turns meanwhile. */
export function aheadOf(flow: string, waiting: Iterable<Waiting>): number {
  const counts = countsOf(waiting);
  const own = counts.get(flow) ?? 0;
  let ahead = 0;
  for (const [other, count] of counts) ahead += other === flow ? own : Math.min(count, own + 1);
  return ahead;
}

/**
 * Who has to leave a full line for another to come in: the last call of whoever has most there, if that is at least two more than the other
 * has; so a line is never one key's alone. null: nobody has. Calls that had a place already stay, and those of the higher class do not go
 * for one of the lower.
 */
export function displacedBy({ flow, isLater }: Coming, waiting: Iterable<Waiting>): Waiting | null {
  const counts = countsOf(waiting);
  const least = (counts.get(flow) ?? 0) + 2;
  let found: Waiting | null = null;
  let most = 0;
  for (const each of waiting) {
    if (each.again || each.question !== null || each.leaving.signal.aborted || (isLater && !each.isLater)) continue;
    const count = counts.get(each.flow) ?? 0;
    // The last of them stands last.
    if (count < least || count < most) continue;
    most = count;
    found = each;
  }
  return found;
}

function countsOf(waiting: Iterable<Waiting>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { flow, leaving } of waiting) if (!leaving.signal.aborted) counts.set(flow, (counts.get(flow) ?? 0) + 1);
  return counts;
}
