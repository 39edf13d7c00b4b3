import type { Exchange, Spend, UsageRow, Want } from '../../words.ts';

/** Rows of a kind that are written at once: within a second, also where server and network are slow. */
const MOST_ROWS = 5_000;

/** What of an exchange is one transaction. */
export interface Piece {
  /** From 1 on. */
  readonly number: number;
  readonly usage: readonly UsageRow[];
  readonly spends: readonly Spend[];
  readonly wants: readonly Want[];
}

/**
 * An exchange is one piece, but for one after a long time without the server, or with thousands of budgets. All that was spent is counted
 * before anything is handed out: until then it is part of what was granted.
 */
export function piecesOf({ batch: { usage, spends }, wants }: Pick<Exchange, 'batch' | 'wants'>, most = MOST_ROWS): readonly Piece[] {
  const partOf = <T>(all: readonly T[], i: number): readonly T[] => (i < 0 ? [] : all.slice(i * most, (i + 1) * most));
  const parts = (...all: (readonly unknown[])[]): number => Math.max(1, ...all.map(({ length }) => Math.ceil(length / most)));
  const lastWrites = parts(usage, spends) - 1;
  return Array.from({ length: lastWrites + parts(wants) }, (_, i) => ({
    number: i + 1,
    usage: partOf(usage, i),
    spends: partOf(spends, i),
    wants: partOf(wants, i - lastWrites),
  }));
}
