import type { AdminStatus, LeaseStatus, ModelStatus, SwapStatus, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { isHeldUp, leaseOf, leaseText } from './lease-text.ts';

/** What is being loaded, from the answer of /admin/status, on one line; null: nothing is. */
export function loadingText(status: AdminStatus): string | null {
  // Until it is heard of, there is nothing to say of what it starts.
  if (status.supervised && status.engine === null) return status.supervisor === null ? 'the supervisor starts' : null;
  const swapped = new Set(status.swaps.map(({ to }) => to));
  const models = status.models.filter(({ id, state }) => swapped.has(id) || state === 'loading');
  return models.length === 0 ? null : models.map((model) => progressText(status, model)).join(' | ');
}

/** How far the loading of a model has come, from the same answer. */
export function progressText(status: AdminStatus, model: ModelStatus): string {
  const held = status.workers.find((other) => other.model === model.id && isHeldUp(other.state, other.stage));
  const lease = held ? leaseOf(status, held.id) : null;
  if (lease !== null) return `${model.id} · GPU ${lease.gpu} ${leaseText(lease)}`;
  const swap = status.swaps.find((change) => change.to === model.id);
  const worker = status.workers.find((other) => other.model === model.id);
  const percent = swap?.percent ?? worker?.percent ?? null;
  const eta = swap?.eta_seconds ?? model.eta_seconds;
  const leaving = swap ? (swap.from === null ? 'starting' : `${swap.from} ends`) : null;
  const stage = worker?.stage ?? leaving ?? worker?.state ?? (status.supervised ? 'waiting for its turn' : 'its workers do not answer yet');
  return [model.id, stage, ...figures(percent, eta)].join(' · ');
}

/** A change of model that is under way, from the same answer. */
export function swapText(swap: SwapStatus): string {
  const { worker, from, to, percent, eta_seconds } = swap;
  const what = to === null ? `unloads ${from}` : from === null ? `loads ${to}` : `changes from ${from} to ${to}`;
  return `${worker} ${what}: ${figures(percent, eta_seconds).join(', ')}`;
}

/** A worker's state, with how far its start has come, or who has its card meanwhile. */
export function stateText({ state, stage, percent, eta_seconds }: WorkerStatus, lease: LeaseStatus | null = null): string {
  if (lease !== null && isHeldUp(state, stage)) return leaseText(lease);
  const parts = state === 'ready' ? [] : [...(stage === null ? [] : [stage]), ...figures(percent, eta_seconds)];
  return parts.length === 0 ? state : `${state} (${parts.join(', ')})`;
}

function figures(percent: number | null, etaSeconds: number | null): string[] {
  return [...(percent === null ? [] : [`${percent} %`]), ...(etaSeconds === null ? [] : [`about ${etaSeconds} s left`])];
}
