import type { Worker } from '../../core/worker.ts';
import type { InHand } from './in-hand.ts';

/** How long scrapes may take to show whether an engine gets on. */
const LOOK_MS = 2_000;
/** A worker whose last scrape is older tells nothing by its counters. */
const FRESH_MS = 3_000;

/** What is watched of a worker from the first of several failures on. */
interface Watch {
  readonly sinceMs: number;
  /** The work counted by the first scrape after that; null before it. */
  work: number | null;
  /** When it was first asked for. */
  askedAtMs: number | null;
}

/**
 * What shows that a worker lives though calls at it fail: other streams from it that flow, its own counter of tokens that rises. Only what
 * comes after the first of the failures counts, so that a worker which has just died has no witness.
 */
export class SignsOfLife {
  readonly #inHand: InHand;
  readonly #watches = new Map<string, Watch>();

  constructor(inHand: InHand) {
    this.#inHand = inHand;
  }

  /** A call at the worker has failed; the first of several did at `sinceMs`. Monotonic ms, as all here. */
  failed(worker: Worker, sinceMs: number): void {
    let watch = this.#watches.get(worker.id);
    if (watch?.sinceMs !== sinceMs) this.#watches.set(worker.id, (watch = { sinceMs, work: null, askedAtMs: null }));
    watch.work ??= workSince(worker, sinceMs);
  }

  /**
   * @returns 'alive': it works on, whatever failed · 'unknown': that will show in a moment, and the failures may have been the requests'
   * · 'silent': nothing speaks for it
   */
  of(worker: Worker, sinceMs: number, isDoubtful: boolean, now: number): 'alive' | 'unknown' | 'silent' {
    for (const { attempt } of this.#inHand.of(worker.id)) if (attempt.heardAt > sinceMs) return 'alive';
    const watch = this.#watches.get(worker.id);
    if (watch?.sinceMs !== sinceMs) return 'silent';
    const work = workSince(worker, sinceMs);
    if (work !== null && watch.work !== null && work > watch.work) return 'alive';
    watch.askedAtMs ??= now;
    const { scrapedAt } = worker.load;
    const isTelling = worker.load.work !== null && scrapedAt !== null && now - scrapedAt <= FRESH_MS;
    return isDoubtful && isTelling && now - watch.askedAtMs < LOOK_MS ? 'unknown' : 'silent';
  }

  keys(): Iterable<string> {
    return this.#watches.keys();
  }

  delete(worker: string): void {
    this.#watches.delete(worker);
  }
}

function workSince({ load }: Worker, sinceMs: number): number | null {
  return load.scrapedAt !== null && load.scrapedAt > sinceMs ? load.work : null;
}
