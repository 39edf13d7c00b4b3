import type { Point } from './point.ts';

/** Fifteen minutes, a point a second. */
export const HISTORY_POINTS = 900;

/** By name: a value for each second from `since` on; null where there was none. */
export interface HistoryColumns {
  /** Seconds since the epoch. */
  readonly since: number;
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
}

/** The last fifteen minutes in one process. */
export class History {
  readonly #points: Point[] = [];

  add(point: Point): void {
    // After a clock was set back.
    while (this.#points.length > 0 && this.#points.at(-1)!.t >= point.t) this.#points.pop();
    this.#points.push(point);
    if (this.#points.length > HISTORY_POINTS) this.#points.shift();
  }

  points(): readonly Point[] {
    return this.#points;
  }
}

/** As columns, which are a fifth as long as points. A second that nobody has taken down is empty. */
export function columnsOf(points: readonly Point[]): HistoryColumns {
  const [first] = points;
  const last = points.at(-1);
  if (!first || !last) return { since: 0, columns: {} };
  const since = Math.max(first.t, last.t - HISTORY_POINTS + 1);
  const columns: Record<string, (number | null)[]> = {};
  for (const { t, values } of points) {
    if (t < since) continue;
    for (const [name, value] of Object.entries(values)) {
      (columns[name] ??= Array.from({ length: last.t - since + 1 }, () => null))[t - since] = value;
    }
  }
  return { since, columns };
}
