import { type Call, noteWait } from '../../core/call.ts';
import type { Cancellation } from '../../core/cancellation.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Layer } from '../../core/handler.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import { LostError, NOTICE_MS } from './loss.ts';

export interface OutliveContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'retried'>;
  readonly directory: WorkerDirectory;
  /** Gives the call's place back and waits for one again, in front of those of its kind that have had none. @throws as admission does */
  readonly lineUpAgain: (call: Call) => Promise<void>;
}

/**
 * The one way back that a request has: a call whose only worker ended before a byte had come waits for what the supervisor starts instead.
 * Until that end is known the call keeps its place, or all who stand in line would be sent after it.
 */
export function outliveWorker({ clock, events, directory, lineUpAgain }: OutliveContext): Layer {
  return (next) => async (call) => {
    /** Until when a worker that it was not sent to, and that nobody says has ended, may be asked once more. */
    let askUntil = Infinity;
    for (;;) {
      try {
        return await next(call);
      } catch (error) {
        if (directory.resolve(call.model)?.loadable !== true) throw error;
        const loss = error instanceof LostError ? error : null;
        // The worker may also have been given another model while the call was held on the way to it.
        if (loss === null && !isUnsent(call, error)) throw error;
        if (loss !== null) {
          if (loss.failure === null) askUntil = Math.min(askUntil, clock.now() + NOTICE_MS);
          if (await isKnownGone(clock, directory, call, loss, askUntil)) askUntil = Infinity;
        }
        try {
          await lineUpAgain(call);
        } catch (refusal) {
          throw loss === null ? refusal : afterLoss(refusal);
        }
        if (loss?.failure) events.retried(call, loss.failure);
      }
    }
  };
}

function isUnsent(call: Call, error: unknown): boolean {
  return call.attempts.length === 0 && error instanceof GatewayError && error.kind === 'model_loading';
}

/**
 * Resolves when the call may try again: true once its worker's end is known, false when the call was not sent and its worker may be asked
 * once more. @throws the loss itself where the time for either is over · the reason of the call's cancellation
 */
async function isKnownGone(clock: Clock, directory: WorkerDirectory, call: Call, loss: LostError, askUntil: number): Promise<boolean> {
  const startedAt = clock.now();
  call.journey.phase = 'queue';
  try {
    await untilGone(clock, directory, loss, call.cancellation);
    return true;
  } catch (error) {
    if (error !== loss || loss.failure || clock.now() >= askUntil) throw error;
    return false;
  } finally {
    noteWait(call, 'worker', startedAt, clock.now());
  }
}

/**
 * Resolves once it is known that the life is over in which the worker lost the call.
 * @throws the loss itself where that is not heard of in time: the worker may have done that and live · the reason of the cancellation
 */
function untilGone(clock: Clock, directory: WorkerDirectory, loss: LostError, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    const isGone = (): boolean => loss.worker.life !== loss.life;
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
function afterLoss(refusal: unknown): unknown {
  if (!(refusal instanceof GatewayError) || (refusal.kind !== 'model_loading' && refusal.kind !== 'no_worker')) return refusal;
  return new GatewayError(refusal.kind, `The worker ended before it had answered. ${refusal.message}`, refusal.details);
}
