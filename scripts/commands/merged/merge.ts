import { mayBeRecorded } from '../../../gateway/core/history/recording-log.ts';
import type { Line, Origin } from './line.ts';
import type { Tap } from './tap.ts';

/** How far apart two accounts of one thing may be: one may have come by another process. */
const SAME_MS = 5_000;
const MOST_KEPT = 2_000;
/** Of one thing, said again and again. */
const MOST_OF_ONE = 100;

/**
 * All that the taps have now, by time, up to the first line that is to wait. Each keeps its own order: a clock that was set back must not
 * turn a story around.
 */
export function* merge(taps: readonly Tap[], waits: (line: Line) => boolean = () => false): Generator<Line> {
  for (const tap of taps) tap.look();
  let last: Tap | null = null;
  for (;;) {
    let first: Tap | null = null;
    let at = Infinity;
    for (const tap of taps) {
      const line = tap.peek();
      // Of one moment, those of one place stay together: a traceback is not to be cut in two.
      if (line === null || line.atMs > at || (line.atMs === at && tap !== last)) continue;
      first = tap;
      at = line.atMs;
    }
    const line = first?.peek();
    if (!first || !line || waits(line)) return;
    first.take();
    last = first;
    yield line;
  }
}

interface Told {
  readonly origin: Origin;
  readonly atMs: number;
}

/** What both the history and a log tell is told once. */
export class Twice {
  /** What the other of the two has not told yet: by what is said, of each in the order that it came. */
  readonly #open = new Map<string, Told[]>();

  /** Whether it was told by the other of the two. */
  isTold({ origin, source, atMs, data }: Line): boolean {
    const event = data?.['event'];
    // Most lines are of requests, of which the history knows nothing.
    if (data === null || typeof event !== 'string' || !mayBeRecorded(event)) return false;
    const key = [source, event, data['worker'], data['msg']].join('\n');
    const open = (this.#open.get(key) ?? []).filter((one) => Math.abs(one.atMs - atMs) <= SAME_MS).slice(-MOST_OF_ONE);
    // Those that wait are all of one origin: the other's would have been told.
    const isTold = open.length > 0 && open[0]!.origin !== origin;
    if (isTold) open.shift();
    else open.push({ origin, atMs });
    // Behind all others: the one at the head is the first to go.
    this.#open.delete(key);
    if (open.length > 0) this.#open.set(key, open);
    if (this.#open.size > MOST_KEPT) this.#open.delete(this.#open.keys().next().value!);
    return isTold;
  }
}
