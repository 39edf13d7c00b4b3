import type { Mark } from './mark.ts';

/**
 * How a call ended for its client. `ok`: a whole answer. `refused`: an HTTP error with the body that errors have. `broken`: a stream that
 * an error event ended. `left`: the client went away on purpose. `cut`: the connection ended without a word. `late`: it never ended.
 * `nonsense`: an answer that is none.
 */
export type Ending = 'ok' | 'refused' | 'broken' | 'left' | 'cut' | 'late' | 'nonsense';

/** One call as its client saw it. Times are milliseconds by a monotonic clock. */
export interface CallSeen {
  readonly id: string;
  readonly mark: Mark;
  readonly stream: boolean;
  readonly sentMs: number;
  readonly endMs: number;
  readonly ending: Ending;
  /** 0: there was no answer. */
  readonly status: number;
  /** The code of its error, or what was wrong with the answer; null where all was well. */
  readonly code: string | null;
  /** What it had been told when it ended. */
  readonly text: string;
  /** How often the end of the stream was said: `[DONE]` or an error event. */
  readonly ends: number;
  /** Data that came after its end was said. */
  readonly surplus: number;
  /** Events of its stream that were no JSON. */
  readonly garbage: number;
  /** Headers of its answer: `retry-after` and `x-headgate-reason`. null: it had none. */
  readonly retryAfter: string | null;
  readonly reason: string | null;
}

/** From one moment to another, in milliseconds by the clock of calls. */
export type Span = readonly [fromMs: number, toMs: number];

/** Whether a call was under way at any moment of one of these. */
export function isWithin({ sentMs, endMs }: Pick<CallSeen, 'sentMs' | 'endMs'>, spans: readonly Span[]): boolean {
  return spans.some(([from, to]) => sentMs <= to && endMs >= from);
}
