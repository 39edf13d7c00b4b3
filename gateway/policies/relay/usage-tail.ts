import type { Attempt } from '../../core/attempt.ts';
import { findUsage } from '../../openai/usage.ts';

/** Reads that are remembered: the usage comes in the last event or the one before. */
const READS = 3;

const SEQUENCE = Buffer.from('"sequence_number":');

/** Remembers the end of a body, and finds in it what the worker counted. Looking once at the end spares every token the look. */
export class UsageTail {
  readonly #reads: Buffer[] = [];

  add(read: Buffer): void {
    if (this.#reads.length === READS) this.#reads.shift();
    this.#reads.push(read);
  }

  /** What the next event of a `/v1/responses` stream would be numbered. */
  nextSequenceNumber(): number {
    for (let i = this.#reads.length - 1; i >= 0; i--) {
      const read = this.#reads[i]!;
      const at = read.lastIndexOf(SEQUENCE);
      if (at >= 0) return Number.parseInt(read.toString('latin1', at + SEQUENCE.length, at + SEQUENCE.length + 12), 10) + 1 || 0;
    }
    return 0;
  }

  /** Writes the worker's token counts into the attempt, if there are any. */
  count(attempt: Attempt): void {
    for (let i = this.#reads.length - 1; i >= 0; i--) {
      const usage = findUsage(this.#reads[i]!);
      if (!usage) continue;
      attempt.inputTokens = usage.inputTokens;
      attempt.outputTokens = usage.outputTokens;
      attempt.cachedTokens = usage.cachedTokens;
      return;
    }
  }
}
