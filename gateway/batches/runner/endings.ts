import type { BatchRow } from '../../state/store/batch-terms.ts';
import { type End, endBatch, type EndingParts } from './ending.ts';

const MOST_AT_ONCE = 2;

/** Brings batches to their ends, a few at a time. What does not work is begun again by whoever looks next. */
export class Endings {
  readonly #parts: EndingParts;
  readonly #onEnded: () => void;
  readonly #open = new Map<string, Promise<void>>();
  /** Batches whose end has not worked so far. */
  readonly #failed = new Set<string>();

  constructor(parts: EndingParts, onEnded: () => void) {
    this.#parts = parts;
    this.#onEnded = onEnded;
  }

  begin(row: BatchRow, how: End): void {
    if (this.#open.has(row.id) || this.#open.size >= MOST_AT_ONCE) return;
    this.#open.set(row.id, this.#run(row, how));
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#open.values());
  }

  async #run(row: BatchRow, how: End): Promise<void> {
    let hasEnded = false;
    try {
      hasEnded = (await endBatch(this.#parts, row, how)) !== null;
      if (this.#failed.delete(row.id)) this.#parts.onRecovered();
    } catch (error) {
      this.#failed.add(row.id);
      this.#parts.onTrouble(error);
    }
    this.#open.delete(row.id);
    if (hasEnded) this.#onEnded();
  }
}
