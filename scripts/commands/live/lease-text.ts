import type { AdminStatus, LeaseStatus, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';

/** The lease of a card that a worker has otherwise; null: none of its cards is lent. */
export function leaseOf({ leases }: AdminStatus, worker: string): LeaseStatus | null {
  return leases.find(({ workers }) => workers.some(({ id }) => id === worker)) ?? null;
}

/** Its start has not begun: it waits, be it for its card. */
export function isHeldUp(state: WorkerStatus['state'], stage: WorkerStatus['stage']): boolean {
  return state === 'starting' && stage === null;
}

/** Such as `lent to render until 14:30`, by the clock of this machine. */
export function leaseText({ holder, state, until }: LeaseStatus): string {
  return state === 'preparing' ? `is made ready for ${holder}` : `lent to ${holder} until ${timeOfDay(until)}`;
}

/** Of an ISO time, on this machine. */
export function timeOfDay(iso: string): string {
  const at = new Date(iso);
  return [at.getHours(), at.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** How far a card is on its way to its holder, on one line. */
export function preparingText({ gpu, workers, message, free_bytes: free }: LeaseStatus): string {
  const busy = workers
    .filter(({ in_flight }) => in_flight > 0)
    .map(({ id, in_flight }) => `${id} has ${in_flight} ${in_flight === 1 ? 'call' : 'calls'} to finish`);
  const memory = free === null || message.includes('GiB') ? [] : [`${(free / 2 ** 30).toFixed(1)} GiB free`];
  return [`GPU ${gpu} is made ready`, ...busy, ...(message === '' ? [] : [message.replace(/\.$/, '')]), ...memory].join(' · ');
}
