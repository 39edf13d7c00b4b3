import type { WorkerLife } from './worker.ts';

/** How an exchange with a worker ended, for its breaker. */
export type Verdict =
  | { readonly kind: 'success' }
  /** `doubtful`: what the client sent may have brought it about, so that it takes more than one witness against the worker. */
  | { readonly kind: 'failure'; readonly reason: string; readonly doubtful?: true }
  /** Says nothing about the worker: the client left, time was over, or it was merely busy. */
  | { readonly kind: 'neutral' };

/**
 * Why an attempt gave no answer. unsent: the worker never had it · stale: a kept connection was gone · died: the worker broke off ·
 * stopping: the worker takes nothing new, because it is about to end · busy · unserved: the worker says that it has not the model, which it
 * was taken to serve · failed: the worker answered with a failure · final: no other worker would do better
 */
export type FailureCause = 'unsent' | 'stale' | 'died' | 'stopping' | 'busy' | 'unserved' | 'failed' | 'final';

/** One attempt at a worker, as far as it has come. Written by the relay that makes it, and read by everyone. */
export interface Attempt {
  readonly worker: string;
  /** The life of the worker that was asked; null when it was about to end. */
  readonly life: WorkerLife | null;
  /** When the worker's process began, as far as was known then; see `WorkerLoad`. */
  readonly bornAt: number | null;
  /** By which name the worker was asked for the model; null: it was not asked for any. */
  readonly askedAs: string | null;
  /** Monotonic ms at which the worker had the whole request. */
  sentAt: number | null;
  /** Monotonic ms at which the first byte of the answer's body came. */
  firstByteAt: number | null;
  /** Monotonic ms at which anything of the body came last, so far; -Infinity before. A number always: it is written at every read. */
  heardAt: number;
  /** Monotonic ms at which the last byte came. */
  lastByteAt: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
  cachedTokens: number | null;
  /** Events of a stream that carried generated text: stands in for outputTokens when the worker sent no usage. */
  chunks: number;
  finishReason: string | null;
  /** The name of an answer that its client may come back for; null where there is none. */
  answerId: string | null;
  /** Why it gave no answer; null while it may, or when it has. */
  failure: FailureCause | null;
  /** null while the worker is not done with it. */
  verdict: Verdict | null;
}

export function newAttempt(worker: string, life: WorkerLife | null, bornAt: number | null = null, askedAs: string | null = null): Attempt {
  return {
    worker,
    life,
    bornAt,
    askedAs,
    sentAt: null,
    firstByteAt: null,
    heardAt: -Infinity,
    lastByteAt: null,
    inputTokens: null,
    outputTokens: null,
    cachedTokens: null,
    chunks: 0,
    finishReason: null,
    answerId: null,
    failure: null,
    verdict: null,
  };
}
