import type { Clock, Timer } from '../../core/clock.ts';
import type { Listener } from '../../core/fan-out.ts';
import type { History } from '../../core/history/history-file.ts';

/** At most one entry in this time. */
const PAUSE_MS = 60_000;

interface RefusalSums extends Listener {
  /** Writes down what has not been yet. */
  close(): void;
}

/**
 * Refusals and broken answers in the history: the first at once, those of the next minute in sum. What is a client's own mistake is none of
 * the night's trouble.
 */
export function refusalSums(history: History, clock: Clock): RefusalSums {
  const counts = new Map<string, number>();
  let timer: Timer | null = null;
  let since = 0;

  function count(reason: string): void {
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (timer === null) tell();
  }

  function tell(): void {
    timer?.cancel();
    timer = null;
    const all = [...counts].toSorted(([, a], [, b]) => b - a);
    if (all.length === 0) return;
    counts.clear();
    const sum = all.reduce((total, [, each]) => total + each, 0);
    const seconds = Math.round((clock.now() - since) / 1000);
    const within = since === 0 || sum === 1 ? '' : ` in ${seconds} s`;
    const reasons = all.map(([reason, each]) => (all.length === 1 ? reason : `${each} ${reason}`)).join(', ');
    history.add('warn', 'refusals', `${sum} ${sum === 1 ? 'call was' : 'calls were'} refused or cut off${within}: ${reasons}`);
    since = clock.now();
    timer = clock.after(PAUSE_MS, tell);
  }

  return {
    requestEnded(_call, outcome) {
      if (outcome.kind !== 'refused' && outcome.kind !== 'broken') return;
      if (outcome.error.reason !== 'client_error') count(outcome.error.reason);
    },
    requestRefused({ status, code }) {
      if (status >= 500) count(code);
    },
    close: tell,
  };
}
