import { BudgetBooks } from '../../../../gateway/policies/budgets/budgets.ts';
import type { Spend } from '../../../../gateway/policies/budgets/ports.ts';
import type { Exchange, Grant } from '../../../../gateway/state/store/words.ts';
import type { Kept } from '../../state/store/usage-drivers.ts';

/** One process that keeps its budgets somewhere, whose exchanges go step by step. */
export class Process {
  readonly books: BudgetBooks;
  readonly holder: string;
  readonly #kept: Pick<Kept, 'exchange'>;
  #batch: { number: number; usage: []; spends: Spend[] } | null = null;
  #batches = 0;
  #said: Exchange | null = null;
  #told: readonly Grant[] | null = null;

  constructor(kept: Pick<Kept, 'exchange'>, holder: string, processes = 1) {
    this.#kept = kept;
    this.holder = holder;
    this.books = new BudgetBooks(() => processes);
  }

  /** Its words are on their way. */
  say(): void {
    if (this.#said !== null || this.#told !== null) return;
    this.#batch ??= { number: ++this.#batches, usage: [], spends: this.books.spends() };
    this.#said = { holder: this.holder, now: 0, batch: this.#batch, wants: this.books.wants(), asksSpent: false };
  }

  /** They are on record. `isLost`: that has failed before. */
  async write(isLost = false): Promise<void> {
    const said = this.#said;
    if (said === null) return;
    this.#said = null;
    if (!isLost) this.#told = (await this.#kept.exchange(said)).grants;
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

  async exchange(): Promise<void> {
    this.say();
    await this.write();
    this.hear();
  }
}
