import type { EngineFigures } from '../vllm/metrics.ts';

/** Longer than a step takes, even one that reads a long prompt of somebody else's. */
const STILL_MS = 5_000;

/**
 * vLLM's gauges move only with a step of its engine, and versions before 0.10.2 take no step when the last clients leave: the page then
 * tells for ever of a full cache and of requests that are gone, and a gateway that sends the worker nothing for that reason never hears
 * otherwise. Figures that stand perfectly still while no call of ours is there are read as zero. One of these for each worker.
 */
export class StaleGauges {
  #last: EngineFigures | null = null;
  #sinceMs = 0;

  /** What a page's figures are worth. `ours`: calls that we had at the worker when it was read. */
  corrected(figures: EngineFigures, ours: number, now: number): EngineFigures {
    const last = this.#last;
    if (ours > 0 || last === null || !isSame(figures, last)) this.#sinceMs = now;
    this.#last = figures;
    return now - this.#sinceMs < STILL_MS ? figures : { ...figures, running: 0, waiting: 0, kvUsage: 0 };
  }
}

function isSame(a: EngineFigures, b: EngineFigures): boolean {
  return a.running === b.running && a.waiting === b.waiting && a.kvUsage === b.kvUsage && a.work === b.work;
}
