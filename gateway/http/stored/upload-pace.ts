import { repeat, type Clock, type Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';

const WINDOW_MS = 10_000;
const LEAST_BYTES = 10_240;
/** What a slow line carries: an upload may take a second more for each so many bytes of it. */
const BYTES_A_SECOND = 32_768;
/** A disk that takes nothing for so many windows stands still. */
const DISK_WINDOWS = 6;

export interface UploadPace {
  /** What has come. */
  readonly bytes: () => number;
  /** The disk has yet to take what has come, so that nothing more is read. */
  readonly isBusy: () => boolean;
  /** What an upload may take in any case. */
  readonly allowanceMs: () => number;
}

/**
 * Watches an upload, which may take as long as it moves: 10 KiB in 10 s as any large body, and on the whole no slower than a slow line
 * carries, once the time for other bodies is over. Calls `onStuck` once, with what is to be said.
 */
export function watchUpload(clock: Clock, { bytes, isBusy, allowanceMs }: UploadPace, onStuck: (error: GatewayError) => void): Timer {
  const startedAt = clock.now();
  let before = bytes();
  let busyWindows = 0;
  const timer = repeat(clock, WINDOW_MS, () => {
    const now = bytes();
    const moved = now - before;
    before = now;
    busyWindows = moved === 0 && isBusy() ? busyWindows + 1 : 0;
    const error = problem(now, moved);
    if (error === null) return;
    timer.cancel();
    onStuck(error);
  });
  function problem(now: number, moved: number): GatewayError | null {
    if (busyWindows > 0) {
      const message = 'The disk that files are kept on does not answer.';
      return busyWindows < DISK_WINDOWS ? null : new GatewayError('store_unavailable', message, { close: true });
    }
    if (moved < LEAST_BYTES && !isBusy()) {
      const message = `The upload came too slowly: fewer than ${LEAST_BYTES} bytes in ${WINDOW_MS / 1_000} s.`;
      return new GatewayError('request_timeout', message, { close: true });
    }
    if (clock.now() - startedAt <= allowanceMs() + (now / BYTES_A_SECOND) * 1_000) return null;
    return new GatewayError('request_timeout', `The upload came too slowly: fewer than ${BYTES_A_SECOND} bytes a second.`, { close: true });
  }
  return timer;
}
