import type { Clock } from '../../core/clock.ts';
import type { Events } from '../../core/events.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import type { TotalSettings } from '../../core/time-limits.ts';
import { pressureFactor, type PressureSettings } from '../capacity/pressure.ts';
import type { Share } from '../capacity/share.ts';

export interface AdmissionSettings {
  /** Calls that may wait, a model. */
  readonly max_queue: number;
  readonly queue_timeout_ms: number;
  /** Share of the workers' own capacity that is sent to them beyond it, so that they never wait for us. */
  readonly headroom: number;
  readonly reject_status: 503 | 429;
}

export interface AdmissionContext {
  readonly clock: Clock;
  readonly events: Events;
  readonly directory: WorkerDirectory;
  readonly admission: () => AdmissionSettings;
  readonly pressure: () => PressureSettings;
  readonly timeouts: () => TotalSettings;
  /** What this process may use, where several are one gateway. Absent: everything. */
  readonly share?: Share | undefined;
  /** Between which groups of workers calls are divided. Absent: all get them. */
  readonly groups?: { sum(workers: readonly Worker[], amountOf: (worker: Worker) => number): number } | undefined;
  /** How many places at a model's workers calls of other models have, because a pool has both. Absent: none. */
  readonly takenByOthers?: (model: string) => number;
  /** Calls wait for a model that no worker has, but whose entry says that it can be loaded. Called again and again while they do. */
  readonly wish?: (model: string, waiting: number) => void;
  /**
   * So many calls of the higher class have no place, or one with which they will wait at their worker, while calls of the lower class hold
   * places. Called again and again while that is so.
   */
  readonly short?: (model: string, count: number) => void;
}

/**
 * Calls that a worker can run at once: its capacity and headroom, less what pressure withholds. A slow start shifts load between workers
 * and takes nothing away from all of them, so it has no part here.
 */
export function placesOf(worker: Worker, context: Pick<AdmissionContext, 'admission' | 'pressure'>, now: number): number {
  const factor = pressureFactor(context.pressure(), worker.load, now);
  return factor > 0 ? Math.max(1, Math.floor(worker.view.maxNumSeqs * (1 + context.admission().headroom) * factor)) : 0;
}

/** Calls of a model that its ready workers can run at once. `share`: as many of them as are ours. */
export function slotsOf(workers: readonly Worker[], context: AdmissionContext, now: number, share?: Share): number {
  return sumOf(workers, context, (worker) => ownPlaces(worker, context, now, share));
}

/**
 * Calls of a model that its workers run at once, all that is ours of it: as many places less the headroom. A call beyond them waits at its
 * worker.
 */
export function seatsOf(workers: readonly Worker[], context: AdmissionContext, now: number, share?: Share): number {
  const more = 1 + context.admission().headroom;
  return sumOf(workers, context, (worker) => Math.ceil(ownPlaces(worker, context, now, share) / more));
}

function ownPlaces(worker: Worker, context: AdmissionContext, now: number, share?: Share): number {
  const places = placesOf(worker, context, now);
  return share === undefined ? places : Math.min(places, share.places(worker.id));
}

function sumOf(workers: readonly Worker[], { groups }: AdmissionContext, amountOf: (worker: Worker) => number): number {
  if (groups !== undefined) return groups.sum(workers, amountOf);
  return workers.reduce((sum, worker) => sum + amountOf(worker), 0);
}
