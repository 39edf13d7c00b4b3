import type { AdminStatus, ModelStatus, SwapStatus } from '../../gateway/http/pages/admin-answers.ts';

/** How far the loading of a model has come, from the answer of /admin/status, on one line. */
export function progressText(status: AdminStatus, model: ModelStatus): string {
  const swap = status.swaps.find((change) => change.to === model.id);
  const worker = status.workers.find((other) => other.model === model.id);
  const percent = swap?.percent ?? worker?.percent ?? null;
  const eta = swap?.eta_seconds ?? model.eta_seconds;
  const stage = worker?.stage ?? (swap ? (swap.from === null ? 'starting' : `${swap.from} ends`) : 'waiting for its turn');
  return [model.id, stage, percent === null ? null : `${percent} %`, eta === null ? null : `about ${eta} s left`]
    .filter((part) => part !== null)
    .join(' · ');
}

/** A change of model that is under way, from the same answer. */
export function swapText(swap: SwapStatus): string {
  const { worker, from, to, percent, eta_seconds } = swap;
  const what = to === null ? `unloads ${from}` : from === null ? `loads ${to}` : `changes from ${from} to ${to}`;
  return `${worker} ${what}: ${percent} %, about ${eta_seconds} s left`;
}
