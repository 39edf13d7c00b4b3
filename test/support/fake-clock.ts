import type { Clock, Timer } from '../../gateway/core/clock.ts';

export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms`, running each timer at its own moment, in order, and letting promises settle after each.
   * Timers set on the way run too when they fall due. `advance(0)` only lets promises settle.
   */
  advance(ms: number): Promise<void>;
  /** Moves time on while this process stands still: what falls due meanwhile runs late, in order, at the end of it. */
  standStill(ms: number): Promise<void>;
  /** Timers set and neither run nor cancelled, for leak checks. */
  readonly pending: number;
}

/** A clock that stands still until it is told to move. Monotonic time starts at 1000 ms, the wall at 2026-01-01. */
export function createFakeClock(): FakeClock {
  const wallStart = Date.UTC(2026, 0, 1);
  const timers = new Set<{ at: number; fn: () => void }>();
  let time = 1000;
  return {
    now: () => time,
    wall: () => wallStart + time - 1000,
    after(ms, fn): Timer {
      const timer = { at: time + Math.max(0, ms), fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    async advance(ms) {
      const end = time + ms;
      await settle();
      for (;;) {
        let next: { at: number; fn: () => void } | undefined;
        for (const timer of timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
        if (!next) break;
        timers.delete(next);
        time = Math.max(time, next.at);
        next.fn();
        await settle();
      }
      time = end;
    },
    async standStill(ms) {
      time += ms;
      await this.advance(0);
    },
    get pending() {
      return timers.size;
    },
  };
}

/** A turn of the event loop: every promise that can settle without time passing has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
