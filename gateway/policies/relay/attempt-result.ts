import type { FailureCause, Verdict } from '../../core/attempt.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { Reply } from '../../core/reply.ts';

/** An attempt that is under way. */
export interface Underway {
  /** Ends it as a failure of its worker, unless a byte of the answer has gone out or it is over. */
  giveUp(error: GatewayError): void;
  /** Its worker is gone without having said so to this call, and through no fault of it. A client that reads slowly has its answer first. */
  lose(error: GatewayError): void;
}

/** What whoever makes an attempt hears besides its result. */
export interface AttemptObserver {
  /** It is on its way. Before that it may have failed already. */
  onBegun(attempt: Underway): void;
  /** The worker has the whole request. */
  onSent(): void;
  onFirstByte(): void;
  /** The worker ended with the call in its hands. `silent`: before a byte of the answer had gone to the client. */
  onDied(silent: boolean): void;
  /** The worker has broken a stream off that had brought no output: it may have ended, or have refused the request in the one way it has. */
  onBrokenOff(): void;
  /**
   * A stream has broken in the middle of its answer, and the worker is done with it. @returns whether somebody goes on with the answer: then
   * the client is told nothing of it here.
   */
  onBroken(error: GatewayError): boolean;
  /** Once, when the worker is done with the attempt. */
  onSettled(verdict: Verdict): void;
}

export type AttemptResult =
  | { readonly kind: 'replied'; readonly reply: Reply }
  /** No byte has gone to the client: another worker may be asked. */
  | { readonly kind: 'failed'; readonly error: GatewayError; readonly cause: FailureCause };
