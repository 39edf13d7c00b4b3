import type { Clock } from '../core/clock.ts';

/** Processes repeat what their calls wait for once a second. */
const AGAIN_MS = 1_000;
const STILL_MS = 2_500;

/** Makes one wish of those of several processes: for each model, with the calls that wait in all of them. */
export class Wishes {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #tell: (model: string, waiting: number) => void;
  readonly #heard = new Map<string, Map<number, { waiting: number; at: number }>>();
  readonly #toldAt = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>, tell: (model: string, waiting: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  heard(process: number, model: string, waiting: number): void {
    const now = this.#clock.now();
    const all = this.#heard.get(model) ?? new Map<number, { waiting: number; at: number }>();
    this.#heard.set(model, all);
    all.set(process, { waiting, at: now });
    for (const [other, { at }] of all) if (now - at > STILL_MS) all.delete(other);
    if (now - (this.#toldAt.get(model) ?? -Infinity) < AGAIN_MS / 2) return;
    this.#toldAt.set(model, now);
    this.#tell(
      model,
      [...all.values()].reduce((sum, each) => sum + each.waiting, 0),
    );
  }
}
