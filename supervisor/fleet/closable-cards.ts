import type { Clock } from '../../gateway/core/clock.ts';
import { sleep } from '../../gateway/core/clock.ts';
import type { ComputeApp, CardReader, GpuReading } from '../gpu/gpu.ts';

/** A look may start several processes, one after the other, and a driver that hangs may keep each of them for seconds. */
const PATIENCE_MS = 5000;

/** Looks at the GPUs until it is closed, and knows which looks are under way. */
export class ClosableCards implements CardReader {
  readonly #cards: CardReader;
  readonly #looks = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(cards: CardReader) {
    this.#cards = cards;
  }

  async read(notBeforeMs?: number): Promise<readonly GpuReading[]> {
    return this.#isClosed ? [] : this.#counted(this.#cards.read(notBeforeMs));
  }

  async apps(): Promise<readonly ComputeApp[]> {
    return this.#isClosed ? [] : this.#counted(this.#cards.apps?.() ?? Promise.resolve([]));
  }

  problem(): string | null {
    return this.#cards.problem?.() ?? null;
  }

  /** From now on nothing is seen. Resolves when no look is under way any more, or after `PATIENCE_MS`. */
  async close(clock: Clock): Promise<void> {
    this.#isClosed = true;
    if (this.#looks.size > 0) await Promise.race([Promise.all(this.#looks), sleep(clock, PATIENCE_MS)]);
  }

  async #counted<T>(look: Promise<T>): Promise<T> {
    this.#looks.add(look);
    try {
      return await look;
    } finally {
      this.#looks.delete(look);
    }
  }
}
