import type { Call } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import type { Waiting } from '../relay/attempt-result.ts';

/**
 * Calls that wait at a worker for the first byte. Where the worker is known to stand still and another is ready for the same model they are
 * taken back from it, to be sent to the other: they would be ended by a limit of time, or wait until the worker is started again.
 */
export class StuckCalls {
  /** By worker. */
  readonly #waiting = new Map<string, Map<Waiting, Call>>();

  wait(worker: string, waiting: Waiting, call: Call): void {
    const known = this.#waiting.get(worker);
    if (known) known.set(waiting, call);
    else this.#waiting.set(worker, new Map([[waiting, call]]));
  }

  /** Its first byte is there, or it is over. */
  leave(worker: string, waiting: Waiting): void {
    this.#waiting.get(worker)?.delete(waiting);
  }

  /** Now and then. Free while no worker stands still. */
  takeBack(directory: Pick<WorkerDirectory, 'workers' | 'readyFor'>): void {
    for (const worker of directory.workers()) {
      if (worker.load.withheldAt === null) continue;
      for (const [waiting, call] of this.#waiting.get(worker.id) ?? []) {
        if (directory.readyFor(call.model).some((other) => isBetter(other, worker))) waiting.giveUp(standsStill());
      }
    }
  }

  keys(): Iterable<string> {
    return this.#waiting.keys();
  }

  /** Those that still wait at it hear of its end themselves. */
  delete(worker: string): void {
    this.#waiting.delete(worker);
  }
}

function isBetter(other: Worker, worker: Worker): boolean {
  return other !== worker && other.load.withheldAt === null;
}

function standsStill(): GatewayError {
  return new GatewayError('upstream_timeout', 'The worker stands still: it makes no token for anybody. Retry shortly.');
}
