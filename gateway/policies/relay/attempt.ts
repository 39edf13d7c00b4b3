import type { GatewayError } from '../../core/errors.ts';
import type { Reply } from '../../core/reply.ts';

/** How an exchange with a worker ended, for its breaker. */
export type Verdict =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly reason: string }
  /** Says nothing about the worker: the client left, time was over, or it was merely busy. */
  | { readonly kind: 'neutral' };

/** What the caller of an attempt hears besides its result. */
export interface AttemptObserver {
  /** The worker has the whole request. */
  onSent(): void;
  onFirstByte(): void;
  /** The worker ended with the call in its hands. `silent`: before a byte of the answer had gone to the client. */
  onDied(silent: boolean): void;
  /** Once, when the worker is done with us. */
  onSettled(verdict: Verdict): void;
}

/** unsent: the worker never had it · stale: a kept connection was gone · died: it broke off · busy · failed: it answered with a failure · final: no other worker would do better */
export type FailureCause = 'unsent' | 'stale' | 'died' | 'busy' | 'failed' | 'final';

export type Attempt =
  | { readonly kind: 'replied'; readonly reply: Reply }
  /** No byte has gone to the client: another worker may be asked. */
  | { readonly kind: 'failed'; readonly error: GatewayError; readonly cause: FailureCause };
