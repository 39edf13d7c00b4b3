import type { Events } from '../../core/events.ts';
import type { Worker } from '../../core/worker.ts';
import { pressureOf, type Pressure, type PressureSettings } from './pressure.ts';

/** Says when a worker's pressure changes. Deciding by it is the other policies' part; they read the same figures. */
export class PressureWatch {
  readonly #events: Events;
  readonly #last = new Map<string, Pressure>();

  constructor(events: Events) {
    this.#events = events;
  }

  look(settings: PressureSettings, workers: readonly Worker[], now: number): void {
    for (const { id, load } of workers) {
      const before = this.#last.get(id) ?? 'calm';
      const pressure = pressureOf(settings, load, now);
      if (pressure === before) continue;
      this.#last.set(id, pressure);
      this.#events.pressureChanged(id, before, pressure, load.kvUsage);
    }
    if (this.#last.size > workers.length) {
      for (const id of this.#last.keys()) if (!workers.some((worker) => worker.id === id)) this.#last.delete(id);
    }
  }
}
