import { type EngineZone, offsetIn } from '../../../gateway/core/history/engine-zone.ts';

/** An engine's clock may be ahead of that of the file's disk. */
const SLACK_MS = 86_400_000;
/** 29 February comes once in four years, or in eight. */
const YEARS_BACK = 8;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Clocks are put forward and back at whole quarters of an hour. */
const QUARTER_MS = 15 * MINUTE_MS;
/** Several processes write to one log, each a little late: that is no hour that comes twice. */
const LATE_MS = MINUTE_MS;

/** When it was as an engine says: local time of its zone, without a year. */
export class StampTime {
  readonly #offsetAt: (ms: number) => number;
  #quarter = NaN;
  #offsets: readonly number[] = [];

  /** @param zone null: nobody has noted it, and it is taken to be that of this process */
  constructor(zone: EngineZone | null) {
    this.#offsetAt = offsetsOf(zone);
  }

  /**
   * The last such moment before the file was written to, in wall-clock milliseconds; null: there is none in the calendar. Of an hour that
   * comes twice, it is the first, unless what was said before came later.
   */
  momentOf([month, day, hour, minute, second]: readonly number[], latestMs: number, beforeMs: number | null): number | null {
    const latest = new Date(latestMs).getUTCFullYear();
    // Next year's first: a file may have been written to as the year ended.
    for (let year = latest + 1; year >= latest - YEARS_BACK; year--) {
      const shown = Date.UTC(year, month! - 1, day, hour, minute, second);
      const date = new Date(shown);
      if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) continue;
      const moments = this.#offsetsAt(shown).map((offset) => shown - offset * MINUTE_MS);
      const moment = moments.find((each) => beforeMs === null || each >= beforeMs - LATE_MS) ?? moments[0]!;
      if (moment <= latestMs + SLACK_MS) return moment;
    }
    return null;
  }

  /** The earliest moment first. */
  #offsetsAt(shown: number): readonly number[] {
    const quarter = Math.floor(shown / QUARTER_MS) * QUARTER_MS;
    if (quarter !== this.#quarter) {
      this.#quarter = quarter;
      const around = [...new Set([quarter - DAY_MS, quarter + DAY_MS].map(this.#offsetAt))].toSorted((a, b) => b - a);
      const shownThere = around.filter((offset) => this.#offsetAt(quarter - offset * MINUTE_MS) === offset);
      // One that was passed over: no clock there has shown it.
      this.#offsets = shownThere.length > 0 ? shownThere : around.slice(0, 1);
    }
    return this.#offsets;
  }
}

function offsetsOf(zone: EngineZone | null): (ms: number) => number {
  if (zone === null) return (ms) => -new Date(ms).getTimezoneOffset();
  return zone.name === null ? () => zone.offsetMinutes : offsetIn(zone.name);
}
