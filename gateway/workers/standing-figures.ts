import type { EngineFigures } from '../vllm/parse-metrics.ts';

/** Longer than a step takes, which may read a long prompt of somebody else's. */
const STANDING_MS = 5_000;

/**
 * vLLM's gauges move only with a step of its engine, and older ones take no step when the last clients leave: the page then tells for ever
 * of a full cache and of requests that are gone, and whoever keeps away from the worker for that never hears otherwise. Figures that stand
 * perfectly still while we have nothing there are taken for none. One of these for each worker.
 */
export class StandingFigures {
  #last: EngineFigures | null = null;
  #sinceMs = 0;

  /** @param ours calls that we have there, at the time of the look. */
  believe(figures: EngineFigures, ours: number, now: number): EngineFigures {
    const last = this.#last;
    if (ours > 0 || last === null || !isSame(figures, last)) this.#sinceMs = now;
    this.#last = figures;
    return now - this.#sinceMs < STANDING_MS ? figures : { ...figures, running: 0, waiting: 0, kvUsage: 0 };
  }
}

function isSame(a: EngineFigures, b: EngineFigures): boolean {
  return a.running === b.running && a.waiting === b.waiting && a.kvUsage === b.kvUsage && a.work === b.work;
}
