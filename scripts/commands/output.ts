import { systemClock } from '../../gateway/core/clock.ts';

const LAST_WORDS_MS = 1_000;

/** Whoever read our output is gone: that is no reason for a service to stop. */
export function outliveReaders(): void {
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}

/** Exits soon after an orderly end, even while the reader of the last lines sleeps. */
export function leave(): void {
  systemClock.after(LAST_WORDS_MS, () => process.exit());
}
