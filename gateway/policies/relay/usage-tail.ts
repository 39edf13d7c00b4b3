import type { Attempt } from '../../core/attempt.ts';
import type { Route } from '../../core/call.ts';
import { findUsage } from '../../openai/usage.ts';

/** Reads that are remembered: the usage comes in the last event or the one before. */
const READS = 3;

const ANSWER = /"id": ?"(resp_[\w-]{1,100})"/;
const MAX_BEGINNING_BYTES = 256;
const EVENT = Buffer.from('\nevent: ');
const MAX_NAME_BYTES = 64;
/** Events of a `/v1/responses` stream that say no more than that the request has arrived. */
const BEFORE_OUTPUT = new Set(['response.created', 'response.queued', 'response.in_progress']);
const SOME_TEXT = /"(?:content|text|reasoning|reasoning_content|arguments|name|refusal|finish_reason)": ?"[^"]/;
const SEQUENCE = Buffer.from('"sequence_number":');

/** Remembers the end of a body, and finds in it what the worker counted. Looking once at the end spares every token the look. */
export class UsageTail {
  readonly #reads: Buffer[] = [];
  /** A message says at its beginning what is in its prompt, and a response what it is called. */
  #asksBeginning: boolean;
  #inputTokens: number | null = null;
  answerId: string | null = null;

  constructor({ dialect }: Route) {
    this.#asksBeginning = dialect !== 'openai';
  }

  add(read: Buffer): void {
    if (this.#asksBeginning) {
      this.#asksBeginning = false;
      this.#inputTokens = findUsage(read)?.inputTokens ?? null;
      this.answerId = ANSWER.exec(read.toString('latin1', 0, MAX_BEGINNING_BYTES))?.[1] ?? null;
    }
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

  /** Whether any of the last reads of a chat or completion holds text, or says why it ends. */
  get hasText(): boolean {
    return this.#reads.some((read) => SOME_TEXT.test(read.toString('latin1')));
  }

  /** Whether a `/v1/responses` stream has brought nothing yet of what the model says. */
  get isBeforeOutput(): boolean {
    if (this.#reads.length === 0) return true;
    for (let i = this.#reads.length - 1; i >= 0; i--) {
      const read = this.#reads[i]!;
      // Within an event's data a line break is escaped.
      const at = read.lastIndexOf(EVENT);
      if (at < 0) continue;
      const name = read.toString('latin1', at + EVENT.length, at + EVENT.length + MAX_NAME_BYTES);
      return BEFORE_OUTPUT.has(name.slice(0, Math.max(0, name.search(/[\r\n]/))));
    }
    return false;
  }

  /** Writes the worker's token counts into the attempt, if there are any. */
  count(attempt: Attempt): void {
    attempt.inputTokens = this.#inputTokens;
    for (let i = this.#reads.length - 1; i >= 0; i--) {
      const usage = findUsage(this.#reads[i]!);
      if (!usage) continue;
      attempt.inputTokens = usage.inputTokens;
      // What a message says at its beginning is that there is no output yet.
      attempt.outputTokens = usage.outputTokens === 0 && attempt.chunks > 0 ? null : usage.outputTokens;
      attempt.cachedTokens = usage.cachedTokens;
      return;
    }
  }
}
