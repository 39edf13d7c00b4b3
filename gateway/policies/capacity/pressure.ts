import type { WorkerLoad } from '../../core/worker.ts';

export interface PressureSettings {
  /** Share of the KV cache in use from which fewer calls are admitted. */
  readonly warn_kv_usage: number;
  /** Share from which none are. */
  readonly critical_kv_usage: number;
  readonly scrape_interval_ms: number;
}

export type Pressure = 'calm' | 'warm' | 'critical';

/** A reading older than this many intervals says nothing any more. */
const STALE_INTERVALS = 6;

/**
 * How full a worker's KV cache is. The cache alone makes it warm; critical also needs requests waiting at the worker, since a cache that is
 * full of running requests and has nobody waiting is merely well used.
 */
export function pressureOf(settings: PressureSettings, load: WorkerLoad, now: number): Pressure {
  if (load.scrapedAt === null || now - load.scrapedAt > settings.scrape_interval_ms * STALE_INTERVALS) return 'calm';
  if (load.kvUsage >= settings.critical_kv_usage && load.waiting > 0) return 'critical';
  return load.kvUsage >= settings.warn_kv_usage ? 'warm' : 'calm';
}

/** The share of a worker's slots that pressure leaves: all while calm, falling to half at the critical mark. */
export function pressureFactor(settings: PressureSettings, load: WorkerLoad, now: number): number {
  switch (pressureOf(settings, load, now)) {
    case 'calm':
      return 1;
    case 'critical':
      return 0;
    case 'warm': {
      const span = settings.critical_kv_usage - settings.warn_kv_usage;
      const into = Math.min(1, Math.max(0, (load.kvUsage - settings.warn_kv_usage) / span));
      return 1 - into / 2;
    }
  }
}
