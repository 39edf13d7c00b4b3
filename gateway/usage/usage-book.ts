import type { UsageRow, UsageSum } from '../state/store/words.ts';

const HOUR_MS = 3_600_000;
/** Rows that wait to be written: a key, a model and an hour each. What comes beyond is counted only as lost. */
const MOST_ROWS = 20_000;

/** Tokens as metrics count them; null: nobody said. */
export interface Counted {
  readonly input: number | null;
  readonly output: number | null;
  readonly cached: number | null;
}

type Sum = { -readonly [Field in keyof UsageRow]: UsageRow[Field] };

/** What was used since it was last taken out to be written. */
export class UsageBook {
  readonly #most: number;
  #rows = new Map<string, Sum>();
  /** Requests that were not taken down since there was no room. */
  lost = 0;

  constructor(most = MOST_ROWS) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** @param now wall-clock milliseconds */
  add(key: string, model: string, { input, output, cached }: Counted, now: number): void {
    const hour = Math.floor(now / HOUR_MS);
    const id = `${hour} ${key} ${model}`;
    let row = this.#rows.get(id);
    if (row === undefined) {
      if (this.#rows.size >= this.#most) {
        this.lost++;
        return;
      }
      row = { hour, key, model, requests: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
      this.#rows.set(id, row);
    }
    row.requests++;
    row.promptTokens += Math.round(input ?? 0);
    row.cachedTokens += Math.round(cached ?? 0);
    row.completionTokens += Math.round(output ?? 0);
  }

  /** What is there, to be looked at. */
  rows(): readonly UsageRow[] {
    return [...this.#rows.values()];
  }

  /** What is there, which is not there any more then. */
  take(): readonly UsageRow[] {
    const rows = this.rows();
    this.#rows = new Map();
    return rows;
  }
}

/** Adds rows of several sources up by key and model, most tokens first. */
export function summed(rows: Iterable<UsageSum>): UsageSum[] {
  const sums = new Map<string, UsageSum>();
  for (const { key, model, requests, promptTokens, cachedTokens, completionTokens } of rows) {
    const id = `${key} ${model}`;
    const before = sums.get(id);
    sums.set(id, {
      key,
      model,
      requests: requests + (before?.requests ?? 0),
      promptTokens: promptTokens + (before?.promptTokens ?? 0),
      cachedTokens: cachedTokens + (before?.cachedTokens ?? 0),
      completionTokens: completionTokens + (before?.completionTokens ?? 0),
    });
  }
  const tokens = (sum: UsageSum): number => sum.promptTokens + sum.completionTokens;
  return [...sums.values()].toSorted((a, b) => tokens(b) - tokens(a) || b.requests - a.requests || (a.key < b.key ? -1 : 1));
}
