import type { EngineFigures } from './parse-metrics.ts';

/** Looks in a row that found the very same, after the first. */
const STANDING = 3;

/**
 * vLLM's gauges move only with a step of its engine, and older ones take no step when the last clients leave: the page then tells for ever
 * of a full cache and of requests that are gone, and whoever keeps away from the worker for that never hears otherwise. Figures that stand
 * perfectly still while we have nothing there are taken for none. One of these for each worker.
 */
export class StandingFigures {
  #last: EngineFigures | null = null;
  #times = 0;

  /** @param ours calls that we have there, at the time of the look. */
  believe(figures: EngineFigures, ours: number): EngineFigures {
    const last = this.#last;
    const stands = ours === 0 && last !== null && isSame(figures, last);
    this.#times = stands ? this.#times + 1 : 0;
    this.#last = figures;
    return this.#times < STANDING ? figures : { ...figures, running: 0, waiting: 0, kvUsage: 0 };
  }
}

function isSame(a: EngineFigures, b: EngineFigures): boolean {
  return a.running === b.running && a.waiting === b.waiting && a.kvUsage === b.kvUsage;
}
