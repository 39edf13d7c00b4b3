import type { BudgetLimit } from '../../core/errors.ts';

/** A day or a month of UTC. Times are wall-clock milliseconds. */
export interface Window {
  readonly limit: BudgetLimit;
  /** `2026-11-29` or `2026-11`: a clock that steps back finds again what was spent then. */
  readonly name: string;
  readonly beginsAt: number;
  readonly endsAt: number;
}

export interface Windows {
  readonly day: Window;
  readonly month: Window;
}

const DAY_MS = 86_400_000;

/** The day and the month that a moment lies in. */
export function windowsAt(wall: number): Windows {
  const at = new Date(wall);
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  const text = at.toISOString();
  const today = Math.floor(wall / DAY_MS) * DAY_MS;
  return {
    day: { limit: 'day', name: text.slice(0, 10), beginsAt: today, endsAt: today + DAY_MS },
    month: { limit: 'month', name: text.slice(0, 7), beginsAt: Date.UTC(year, month), endsAt: Date.UTC(year, month + 1) },
  };
}

/** The same for many moments, most of which lie in the same day. */
export class Calendar {
  #now = windowsAt(0);

  at(wall: number): Windows {
    const { beginsAt, endsAt } = this.#now.day;
    if (wall < beginsAt || wall >= endsAt) this.#now = windowsAt(wall);
    return this.#now;
  }
}
