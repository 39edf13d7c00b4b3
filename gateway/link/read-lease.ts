import type { LeaseView } from './snapshot.ts';

/** A lease as a supervisor tells of it, which may be of another version; null: it is none. */
export function readLease(said: unknown): LeaseView | null {
  if (typeof said !== 'object' || said === null) return null;
  const lease = said as Partial<LeaseView>;
  if (typeof lease.id !== 'string' || typeof lease.gpu !== 'string') return null;
  const neutral = { index: 0, holder: 'somebody', over: null, untilMs: 0, leftSeconds: 0, workers: [], freeBytes: null, message: '' };
  const state = lease.state === 'lent' || lease.state === 'over' ? lease.state : 'preparing';
  return { ...neutral, ...lease, id: lease.id, gpu: lease.gpu, state };
}
