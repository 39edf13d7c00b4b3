import type { Cancellation } from '../core/cancellation.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Worker, WorkerDirectory } from '../core/worker.ts';
import type { FailureCause } from './attempt.ts';

/** Whoever supervises a worker knows of its end at about the same time as we do. */
const NOTICE_MS = 2000;

/** A worker ended before a byte had come, and no other could be asked: the call may do well in that worker's next life. */
export class LostError extends GatewayError {
  readonly worker: Worker;
  /** Which of its lives it was: `readySince` then. */
  readonly life: number | null;
  readonly failure: FailureCause;

  constructor({ error, cause }: { readonly error: GatewayError; readonly cause: FailureCause }, worker: Worker, life: number | null) {
    super(error.kind, error.message, error.details);
    this.failure = cause;
    this.worker = worker;
    this.life = life;
  }
}

/**
 * Resolves once it is known that the life is over in which the worker lost the call.
 * @throws the loss itself where that is not heard of in time: the worker may have done that and live · the reason of the cancellation
 */
export function untilGone(clock: Clock, directory: WorkerDirectory, loss: LostError, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    const isGone = (): boolean => loss.worker.readySince !== loss.life;
    if (cancellation.reason) return reject(cancellation.reason);
    if (isGone()) return resolve();
    const end = (settle: () => void): void => {
      timer.cancel();
      offChange();
      offCancel();
      settle();
    };
    const timer = clock.after(NOTICE_MS, () => end(() => reject(loss)));
    const offChange = directory.onChange(() => isGone() && end(resolve));
    const offCancel = cancellation.onCancel((reason) => end(() => reject(reason)));
  });
}

/** What a call is told that lost its worker and cannot wait for the next: when to come back, and that it was not for want of a place. */
export function afterLoss(refusal: unknown): unknown {
  if (!(refusal instanceof GatewayError) || (refusal.kind !== 'model_loading' && refusal.kind !== 'no_worker')) return refusal;
  return new GatewayError(refusal.kind, `The worker ended before it had answered. ${refusal.message}`, refusal.details);
}
