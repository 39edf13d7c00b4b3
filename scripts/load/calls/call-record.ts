import type { Prompt } from '../workload/prompts.ts';

export interface CallPlan {
  readonly index: number;
  readonly prompt: Prompt;
  /** Milliseconds from the start of the run. */
  readonly scheduledMs: number;
  /** How long from then on all places were taken that the run has for calls at once. Milliseconds. */
  readonly heldMs: number;
  /** The client hangs up after so many events of the stream; null: it waits for the end. */
  readonly cancelAfter: number | null;
}

/** How a call ended. `cancelled`: by the load itself, on purpose. */
export type Outcome = 'ok' | 'refused' | 'failed' | 'broken' | 'timeout' | 'cancelled' | 'unfinished';

/** Whether a call ended otherwise than it should; not those that the load itself broke off. */
export function isError({ outcome }: Pick<CallRecord, 'outcome'>): boolean {
  return outcome !== 'ok' && outcome !== 'cancelled' && outcome !== 'unfinished';
}

/** One call as its client saw it. Times are milliseconds from the start of the run, by a monotonic clock; NaN where there was none. */
export interface CallRecord {
  readonly index: number;
  /** When it was due, and when it was sent. The difference is the generator's own delay, but for the time for which it was held back. */
  readonly scheduledMs: number;
  readonly sentMs: number;
  /** How long all places of the run were taken (--most-at-once) from when it was due, in milliseconds; absent where it was not held back. */
  readonly heldMs?: number;
  readonly headMs: number;
  /** The first event of a stream that had a choice in it, as vLLM's own benchmark has it. */
  readonly firstTokenMs: number;
  /** The last such. */
  readonly lastTokenMs: number;
  readonly endMs: number;
  readonly outcome: Outcome;
  /** 0: there was no answer. */
  readonly status: number;
  /** The error's code, or the system's, or what was wrong with the answer; null where all was well. */
  readonly code: string | null;
  readonly inputTokens: number;
  /** As the server counts them; where it does not tell, the events with a choice. */
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** By the gateway's headers; null and NaN where there are none. */
  readonly worker: string | null;
  readonly queueMs: number;
  readonly windowMs: number;
  /** When each event with a choice came, in order: the gaps are the time between tokens. */
  readonly tokensAt: readonly number[];
}
