import { repeat, type Clock, type Timer } from '../../core/clock.ts';

const WINDOW_MS = 10_000;
/** A kilobyte a second: what the slowest of links carries, and a client that sends a byte now and then does not. */
const LEAST_BYTES = 10_240;

/**
 * Watches a large body while it arrives: it holds memory, so it has to move. Calls `onTooSlow` once when 10 KiB have not come in 10 s.
 * @param length how many bytes there are by now
 */
export function watchPace(clock: Clock, length: () => number, onTooSlow: () => void): Timer {
  let before = length();
  const timer = repeat(clock, WINDOW_MS, () => {
    const now = length();
    if (now - before < LEAST_BYTES) {
      timer.cancel();
      onTooSlow();
    }
    before = now;
  });
  return timer;
}

/** What the client is told. */
export const TOO_SLOW = `The request body came too slowly: fewer than ${LEAST_BYTES} bytes in ${WINDOW_MS / 1000} s.`;
