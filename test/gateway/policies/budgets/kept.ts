import { DatabaseSync } from 'node:sqlite';
import { BudgetBooks } from '../../../../gateway/policies/budgets/budgets.ts';
import type { Spend } from '../../../../gateway/policies/budgets/ports.ts';
import { migrate } from '../../../../gateway/state/store/sqlite/migrations.ts';
import { Records } from '../../../../gateway/state/store/sqlite/records.ts';
import type { Exchange, Grant } from '../../../../gateway/state/store/words.ts';

/** A file that processes share, in memory. */
export function sharedFile() {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const records = new Records(db);
  return {
    exchange: (said: Exchange): readonly Grant[] => records.exchange(said, 1_000_000).grants,
    /** It has said nothing for longer than its lease. */
    forget: (holder: string): void => void db.prepare('DELETE FROM holders WHERE id = ?').run(holder),
    spent: (subject: string, window: string): number =>
      Number(db.prepare('SELECT tokens FROM spent WHERE subject = ? AND window = ?').get(subject, window)?.['tokens'] ?? 0),
    granted: (): number => Number(db.prepare('SELECT SUM(tokens) AS tokens FROM grants').get()?.['tokens'] ?? 0),
  };
}

/** One process at such a file, whose exchanges go step by step. */
export class Process {
  readonly books: BudgetBooks;
  readonly holder: string;
  readonly #file: ReturnType<typeof sharedFile>;
  #batch: { number: number; usage: []; spends: Spend[] } | null = null;
  #batches = 0;
  #said: Exchange | null = null;
  #told: readonly Grant[] | null = null;

  constructor(file: ReturnType<typeof sharedFile>, holder: string, processes = 1) {
    this.#file = file;
    this.holder = holder;
    this.books = new BudgetBooks(() => processes);
  }

  /** Its words are on their way. */
  say(): void {
    if (this.#said !== null || this.#told !== null) return;
    this.#batch ??= { number: ++this.#batches, usage: [], spends: this.books.spends() };
    this.#said = { holder: this.holder, now: 0, batch: this.#batch, wants: this.books.wants(), asksSpent: false };
  }

  /** The file has them. `isLost`: it has failed before. */
  write(isLost = false): void {
    if (this.#said === null) return;
    if (!isLost) this.#told = this.#file.exchange(this.#said);
    this.#said = null;
  }

  /** The answer has been lost: nobody knows whether it was written. */
  deaf(): void {
    this.#told = null;
  }

  /** The answer has come. */
  hear(): void {
    if (this.#told === null) return;
    this.#batch = null;
    this.books.told(this.#told);
    this.#told = null;
  }

  exchange(): void {
    this.say();
    this.write();
    this.hear();
  }
}
