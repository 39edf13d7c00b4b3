/** Whether one more call may wait here. asked for: that depends on what other processes have left. */
export type LineRoom = 'free' | 'asked for' | 'none';

/** A call that waits. */
export interface Waiting {
  /** Ends its wait. */
  readonly leaving: AbortController;
  /** Who it takes turns for. */
  readonly flow: string;
  /** It is of the lower class. */
  readonly isLater: boolean;
  /** It had a place already, and lost its worker. */
  readonly again: boolean;
  /** Until when it may wait. */
  readonly untilMs: number;
  /**
   * An estimate that changes later than this is no reason to send it away. Its own coming changes the first one: only then is it looked at
   * whether the model in the way has work.
   */
  readonly judgedUntilMs: number;
  /** The estimate that it waits for, which is told anew only now and then; null: none was known yet. Seconds. */
  known: number | null;
  /**
   * There is no room in this process's line for it, and perhaps some in those of others: the question to them, which it waits to hear the
   * answer of; null: it has room.
   */
  question: number | null;
}
