import type { Cancellation } from '../../core/cancellation.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import type { FailureCause } from '../relay/attempt.ts';

/** Whoever supervises a worker knows of its end at about the same time as we do; vLLM itself may take some seconds to follow its engine. */
export const NOTICE_MS = 5000;

/**
 * A worker ended before a byte had come, or had just lost others and is left alone for that, and no other could be asked: the call may do
 * well in that worker's next life.
 */
export class LostError extends GatewayError {
  readonly worker: Worker;
  /** Which of its lives it was: `readySince` then. */
  readonly life: number | null;
  /** null: the call was not sent to it. */
  readonly failure: FailureCause | null;
  /** How long to wait for word of its end. */
  readonly patienceMs: number;

  constructor(error: GatewayError, worker: Worker, life: number | null, failure: FailureCause | null, patienceMs = NOTICE_MS) {
    super(error.kind, error.message, error.details);
    this.worker = worker;
    this.life = life;
    this.failure = failure;
    this.patienceMs = patienceMs;
  }
}

/** Which lives of workers have just lost calls: those who come a moment later need not be refused for it. One entry a worker. */
export class Losses {
  readonly #latest = new Map<string, { readonly life: number | null; readonly atMs: number }>();

  record(worker: Worker, life: number | null, now: number): void {
    this.#latest.set(worker.id, { life, atMs: now });
  }

  /**
   * What stands for the refusal of a call that was not sent because workers that have just lost others are left alone: one of `workers` may
   * well have ended without its supervisor having said so yet. It waits for that word, but not longer than they are left alone. null where
   * none has lost any.
   */
  unexplained(refusal: GatewayError, workers: readonly Worker[], now: number): LostError | null {
    for (const worker of workers) {
      const latest = this.#latest.get(worker.id);
      if (!latest || latest.life !== worker.readySince) continue;
      const leftMs = Math.min(latest.atMs + NOTICE_MS - now, refusal.details.retryAfterMs ?? Infinity);
      if (leftMs > 0) return new LostError(refusal, worker, latest.life, null, leftMs);
    }
    return null;
  }

  keys(): Iterable<string> {
    return this.#latest.keys();
  }

  delete(worker: string): void {
    this.#latest.delete(worker);
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
    const timer = clock.after(loss.patienceMs, () => end(() => reject(loss)));
    const offChange = directory.onChange(() => isGone() && end(resolve));
    const offCancel = cancellation.onCancel((reason) => end(() => reject(reason)));
  });
}

/** What a call is told that lost its worker and cannot wait for the next: when to come back, and that it was not for want of a place. */
export function afterLoss(refusal: unknown): unknown {
  if (!(refusal instanceof GatewayError) || (refusal.kind !== 'model_loading' && refusal.kind !== 'no_worker')) return refusal;
  return new GatewayError(refusal.kind, `The worker ended before it had answered. ${refusal.message}`, refusal.details);
}
