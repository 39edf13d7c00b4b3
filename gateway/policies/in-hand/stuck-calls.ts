import { GatewayError } from '../../core/errors.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import type { InHand } from './in-hand.ts';

/**
 * Where a worker is known to stand still, or to be asleep, and another is ready for the same model, the calls that wait at it for their first
 * byte are taken back, to be sent to the other: they would be ended by a limit of time, or wait until the worker is started again. Free
 * while none does.
 */
export function takeBackStuck(inHand: InHand, directory: Pick<WorkerDirectory, 'workers' | 'readyFor'>): void {
  for (const worker of directory.workers()) {
    if (!standsStill(worker)) continue;
    for (const { underway, call, attempt } of inHand.of(worker.id)) {
      if (attempt.firstByteAt !== null) continue;
      if (directory.readyFor(call.model).some((other) => isBetter(other, worker))) underway?.giveUp(stuck());
    }
  }
}

/** Of a worker that was told to take nothing up. */
const AT_REST: ReadonlySet<string> = new Set(['asleep', 'paused']);

function standsStill({ load, life, view }: Worker): boolean {
  return load.withheldAt !== null || (life === null && AT_REST.has(view.lastFailure?.class ?? ''));
}

function isBetter(other: Worker, worker: Worker): boolean {
  return other !== worker && !standsStill(other);
}

function stuck(): GatewayError {
  return new GatewayError('upstream_timeout', 'The worker stands still: it makes no token for anybody. Retry shortly.');
}
