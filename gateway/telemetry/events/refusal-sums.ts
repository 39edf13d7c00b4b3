import type { Clock, Timer } from '../../core/clock.ts';
import type { Listener } from '../../core/fan-out.ts';
import type { History } from '../../core/history/history-file.ts';

/**
 * From one entry to the next while it goes on. The first waits a little, too: calls whose worker dies are cut off together, and whoever
 * looks a moment later is to see how many.
 */
const PAUSES_MS = [1_000, 5_000, 15_000, 60_000];
/** So long without any is the end of it. */
const QUIET_MS = 60_000;

interface RefusalSums extends Listener {
  /** Writes down what has not been yet. */
  close(): void;
}

/**
 * Refusals and broken answers in the history, in sum: the first soon, those that follow at most once a minute before long. What is a
 * client's own mistake is none of the night's trouble.
 */
export function refusalSums(history: History, clock: Clock): RefusalSums {
  const refused = new Map<string, number>();
  const cut = new Map<string, number>();
  let timer: Timer | null = null;
  let pause = 0;
  /** What is told next has come since then. */
  let since = 0;
  let lastAt = -Infinity;

  function count(counts: Map<string, number>, reason: string): void {
    const now = clock.now();
    if (now - lastAt >= QUIET_MS) pause = 0;
    lastAt = now;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (timer !== null) return;
    since = now;
    timer = clock.after(PAUSES_MS[pause]!, goOn);
  }

  function goOn(): void {
    if (!tell()) return;
    pause = Math.min(pause + 1, PAUSES_MS.length - 1);
    since = clock.now();
    timer = clock.after(PAUSES_MS[pause]!, goOn);
  }

  /** false: there was nothing to tell. */
  function tell(): boolean {
    timer?.cancel();
    timer = null;
    const [few, broken] = [sumOf(refused), sumOf(cut)];
    if (few + broken === 0) return false;
    const seconds = Math.round((clock.now() - since) / 1000);
    const within = few + broken === 1 || seconds === 0 ? '' : ` in ${seconds} s`;
    const parts = [
      few > 0 ? `${calls(few)} refused (${reasonsOf(refused)})` : '',
      broken > 0 ? `${calls(broken)} cut off (${reasonsOf(cut)})` : '',
    ];
    history.add('warn', 'refusals', `${parts.filter((part) => part !== '').join(', ')}${within}`);
    refused.clear();
    cut.clear();
    return true;
  }

  return {
    requestEnded(_call, outcome) {
      if (outcome.kind !== 'refused' && outcome.kind !== 'broken') return;
      if (outcome.error.reason !== 'client_error') count(outcome.kind === 'broken' ? cut : refused, outcome.error.reason);
    },
    requestRefused({ status, code }) {
      if (status >= 500) count(refused, code);
    },
    close: () => void tell(),
  };
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}

function calls(count: number): string {
  return count === 1 ? '1 call was' : `${count} calls were`;
}

/** The most frequent first. */
function reasonsOf(counts: ReadonlyMap<string, number>): string {
  const all = [...counts].toSorted(([, a], [, b]) => b - a);
  return all.map(([reason, each]) => (all.length === 1 ? reason : `${each} ${reason}`)).join(', ');
}
