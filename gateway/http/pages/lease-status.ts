import type { WorkerDirectory } from '../../core/worker.ts';
import type { LeaseView } from '../../link/snapshot.ts';
import type { LeaseStatus } from './admin-answers.ts';

/** A lease with what its workers have in hand. */
export function leaseStatus(lease: LeaseView, directory: Pick<WorkerDirectory, 'workers'>): LeaseStatus {
  const { id, gpu, index, holder, state, over, untilMs, leftSeconds, workers, freeBytes, message } = lease;
  return {
    id,
    gpu: index,
    uuid: gpu,
    holder,
    state,
    over,
    until: new Date(untilMs).toISOString(),
    left_seconds: leftSeconds,
    free_bytes: freeBytes,
    message,
    workers: directory
      .workers()
      .filter((worker) => workers.includes(worker.id))
      .map(({ id: worker, view, inFlight }) => ({ id: worker, state: view.state, in_flight: inFlight })),
  };
}
