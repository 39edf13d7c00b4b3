import type { OutputLine } from './output-line.ts';

/** A file may hold anything: further models and reasons are one. */
const MOST_NAMES = 50;
const OTHERS = '(others)';

/** What the lines of one side come to. */
export interface SideReport {
  readonly name: string;
  readonly lines: number;
  readonly errors: number;
  /** Lines by model and by reason to finish, of those that were answered. */
  readonly models: Readonly<Record<string, number>>;
  readonly finish_reasons: Readonly<Record<string, number>>;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** Of one line; null: none says. */
  readonly completion_length: { readonly mean: number; readonly p50: number; readonly p95: number } | null;
  /** Lines with a custom_id that another before has, and lines that are no results: neither is counted elsewhere. */
  readonly repeated: number;
  readonly unreadable: number;
}

export class Tally {
  #errors = 0;
  #lines = 0;
  #repeated = 0;
  #unreadable = 0;
  #firstUnreadable: number | null = null;
  #prompt = 0;
  readonly #models = new Map<string, number>();
  readonly #finish = new Map<string, number>();
  readonly #lengths: number[] = [];

  add({ isFailed, model, promptTokens, completionTokens, finish }: OutputLine): void {
    this.#lines++;
    if (isFailed) {
      this.#errors++;
      return;
    }
    if (model !== null) count(this.#models, model);
    if (finish !== null) count(this.#finish, finish);
    this.#prompt += promptTokens ?? 0;
    if (completionTokens !== null) this.#lengths.push(completionTokens);
  }

  repeated(): void {
    this.#repeated++;
  }

  strange(number: number): void {
    this.#unreadable++;
    this.#firstUnreadable ??= number;
  }

  get unreadable(): number {
    return this.#unreadable;
  }

  /** By its number in its file, from 1. */
  get firstUnreadable(): number | null {
    return this.#firstUnreadable;
  }

  report(name: string): SideReport {
    const lengths = Float64Array.from(this.#lengths).sort();
    const sum = lengths.reduce((total, length) => total + length, 0);
    return {
      name,
      lines: this.#lines,
      errors: this.#errors,
      models: Object.fromEntries(this.#models),
      finish_reasons: Object.fromEntries(this.#finish),
      prompt_tokens: this.#prompt,
      completion_tokens: sum,
      completion_length:
        lengths.length === 0
          ? null
          : { mean: Math.round((sum * 10) / lengths.length) / 10, p50: percentile(lengths, 0.5), p95: percentile(lengths, 0.95) },
      repeated: this.#repeated,
      unreadable: this.#unreadable,
    };
  }
}

/** The least of them that so many are not above. @param sorted at least one */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

function count(names: Map<string, number>, name: string): void {
  const known = names.has(name) || names.size < MOST_NAMES ? name : OTHERS;
  names.set(known, (names.get(known) ?? 0) + 1);
}
