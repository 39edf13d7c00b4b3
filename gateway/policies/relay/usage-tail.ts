import type { Attempt } from '../../core/attempt.ts';
import { findUsage } from '../../openai/usage.ts';

/** Reads that are remembered: the usage comes in the last event or the one before. */
const READS = 3;

/** Remembers the end of a body, and finds in it what the worker counted. Looking once at the end spares every token the look. */
export class UsageTail {
  readonly #reads: Buffer[] = [];

  add(read: Buffer): void {
    if (this.#reads.length === READS) this.#reads.shift();
    this.#reads.push(read);
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
