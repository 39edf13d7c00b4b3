import type { Clock, Timer } from '../../../gateway/core/clock.ts';
import { repeat } from '../../../gateway/core/clock.ts';
import type { Log } from '../../../gateway/core/log/log.ts';

const LOOK_MS = 250;
/** Lines of the log take it away without our knowing: it is shown again this often. */
const AGAIN_MS = 1000;

/**
 * Keeps what is being loaded on the last line of a terminal, below the log; nothing where the log is not live. `text`: null when nothing
 * is. `columns`: how many letters fit on a line, since one that has wrapped cannot be taken back.
 */
export function showProgress(log: Pick<Log, 'show'>, clock: Clock, text: () => string | null, columns: () => number): Timer {
  let shown = '';
  let shownAt = 0;
  function show(): void {
    const now = clock.now();
    const next = clipped(text() ?? '', columns() - 1);
    if (next === shown && (next === '' || now - shownAt < AGAIN_MS)) return;
    log.show(next);
    shown = next;
    shownAt = now;
  }
  const timer = repeat(clock, LOOK_MS, show);
  return {
    cancel() {
      timer.cancel();
      if (shown !== '') log.show('');
    },
  };
}

function clipped(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}
