import type { Row } from './row.ts';
import type { RowResult } from './row-result.ts';
import { runRow } from './run-row.ts';

interface Running {
  readonly seed: number;
  /** How many rows are played at the same time. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
  readonly onStart?: (row: Row) => void;
  readonly onEnd?: (result: RowResult) => void;
}

/** Plays rows, some at a time, and then those that are to be played alone. @returns results in the order of the rows, those alone that were played when it was stopped */
export async function runRows(rows: readonly Row[], { seed, atOnce, signal, onStart, onEnd }: Running): Promise<RowResult[]> {
  const results = new Map<string, RowResult>();
  const lane = async (waiting: Row[]): Promise<void> => {
    for (let row = waiting.shift(); row !== undefined && !signal.aborted; row = waiting.shift()) {
      onStart?.(row);
      const result = await runRow(row, seed);
      results.set(row.name, result);
      onEnd?.(result);
    }
  };
  const together = rows.filter(({ alone }) => alone !== true);
  await Promise.all(Array.from({ length: atOnce }, () => lane(together)));
  await lane(rows.filter(({ alone }) => alone === true));
  return rows.flatMap(({ name }) => results.get(name) ?? []);
}
