import type { Line } from './line.ts';
import type { Tap } from './tap.ts';

/** How far apart two accounts of one thing may be: one may have come by another process. */
const SAME_MS = 5_000;
const MOST_KEPT = 2_000;

/**
 * All that the taps have now, by time, up to the first line that is to wait. Each keeps its own order: a clock that was set back must not
 * turn a story around.
 */
export function* merge(taps: readonly Tap[], waits: (line: Line) => boolean = () => false): Generator<Line> {
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

/** What both the history and a log tell is told once. */
export class Twice {
  readonly #open = new Map<string, { readonly origin: string; readonly atMs: number }[]>();
  #count = 0;

  /** Whether it was told by the other of the two. */
  isTold({ origin, source, atMs, data }: Line): boolean {
    if (data === null) return false;
    const key = [source, data['event'], data['worker'], data['msg']].join('\n');
    const open = this.#open.get(key)?.filter((one) => Math.abs(one.atMs - atMs) <= SAME_MS) ?? [];
    const other = open.findIndex((one) => one.origin !== origin);
    if (other === -1) open.push({ origin, atMs });
    else open.splice(other, 1);
    if (open.length === 0) this.#open.delete(key);
    else this.#open.set(key, open);
    this.#count += 1;
    if (this.#count >= MOST_KEPT) this.#forget(atMs);
    return other !== -1;
  }

  #forget(nowMs: number): void {
    this.#count = 0;
    for (const [key, open] of this.#open) if (open.every(({ atMs }) => Math.abs(atMs - nowMs) > SAME_MS)) this.#open.delete(key);
  }
}
