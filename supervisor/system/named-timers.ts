import type { Clock, Timer } from '../../gateway/core/clock.ts';

/** At most one timer of each name. */
export class NamedTimers<Name> {
  readonly #clock: Clock;
  readonly #timers = new Map<Name, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the place of an earlier one of that name. */
  set(name: Name, afterMs: number, onTime: () => void): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(name, this.#clock.after(afterMs, onTime));
  }

  cancelAll(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
