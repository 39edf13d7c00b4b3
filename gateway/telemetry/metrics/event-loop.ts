import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../../core/clock.ts';
import { repeat } from '../../core/clock.ts';

/** How late the event loop was, in milliseconds, over the last one to two windows. */
interface LoopDelay {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface EventLoopMonitor {
  read(): LoopDelay;
  stop(): void;
}

/** The sampling timer costs about 0.2 % of one core at 20 ms and half as much again at 10 ms. */
const RESOLUTION_MS = 20;
const WINDOW_MS = 60_000;
const NANOSECONDS_PER_MS = 1e6;

/**
 * Watches the delay of the event loop. A reader sees the worse of the window that is under way and the last whole one, so that
 * several scrapers do not disturb each other and a stall is not forgotten before it is read.
 */
export function watchEventLoop(clock: Clock, windowMs: number = WINDOW_MS): EventLoopMonitor {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let last: LoopDelay = { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };

  // The histogram records the time between samples, of which the sampling interval itself is no delay.
  function late(nanoseconds: number): number {
    return Math.max(0, nanoseconds / NANOSECONDS_PER_MS - RESOLUTION_MS);
  }
  function current(): LoopDelay {
    if (histogram.count === 0) return { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
    return {
      meanMs: late(histogram.mean),
      p50Ms: late(histogram.percentile(50)),
      p99Ms: late(histogram.percentile(99)),
      maxMs: late(histogram.max),
    };
  }

  const rotation = repeat(clock, windowMs, () => {
    last = current();
    histogram.reset();
  });
  return {
    read() {
      const now = current();
      return {
        meanMs: Math.max(now.meanMs, last.meanMs),
        p50Ms: Math.max(now.p50Ms, last.p50Ms),
        p99Ms: Math.max(now.p99Ms, last.p99Ms),
        maxMs: Math.max(now.maxMs, last.maxMs),
      };
    },
    stop() {
      rotation.cancel();
      histogram.disable();
    },
  };
}
