import type { FailureCause } from '../../core/attempt.ts';
import type { Call } from '../../core/call.ts';

/** What the account opens with: the first failures of a quiet day may be retried whatever the share. */
const OPENING = 10;
/** What a long good time may save up. */
const MOST = 100;

/** Keeps retries from multiplying a load that already fails: every call pays in `ratio`, every retry costs one. */
export class RetryBudget {
  #tokens = OPENING;

  deposit(ratio: number): void {
    this.#tokens = Math.min(MOST, this.#tokens + ratio);
  }

  /** @returns whether a retry may be made; if so it is paid for. */
  withdraw(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** The worker is not there, or is not any more. */
export function isLoss(cause: FailureCause): boolean {
  return cause === 'unsent' || cause === 'stale' || cause === 'died' || cause === 'stopping';
}

/** Nothing was made for it: whoever tries it again loads nobody with the same work twice. */
export function costNothing(cause: FailureCause): boolean {
  return isLoss(cause) || cause === 'unserved';
}

/** One that found a kept connection gone, and was made again on a fresh one, was none. */
export function attemptsThatCount({ attempts }: Call): number {
  return attempts.filter(({ failure, worker }, at) => failure !== 'stale' || attempts[at + 1]?.worker !== worker).length;
}
