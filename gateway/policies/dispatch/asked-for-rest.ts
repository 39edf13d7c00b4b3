import type { Worker } from '../../core/worker.ts';

/** However long a worker asks to be left alone, it is asked again after this: what it said may have been about one request. */
const LONGEST_MS = 60_000;
/** Two who hear it within this have heard it of the worker, and not of what they sent. */
const WITNESS_MS = 10_000;

/**
 * Workers that said for how long they want no more calls (429 or 503 with Retry-After). It takes two different bodies that were told so:
 * what is said to one may be about that one. Empty, it costs a look at its size.
 */
export class AskedForRest {
  readonly #untilMs = new Map<string, number>();
  /** By worker: whose call heard it last. */
  readonly #heardBy = new Map<string, { readonly body: string; readonly atMs: number }>();

  /** `body`: what stands for the body of the call that was told · `now`: monotonic ms */
  note(worker: string, restMs: number, body: string, now: number): void {
    const before = this.#heardBy.get(worker);
    this.#heardBy.set(worker, { body, atMs: now });
    if (before === undefined || before.body === body || now - before.atMs > WITNESS_MS) return;
    this.#untilMs.set(worker, now + Math.min(restMs, LONGEST_MS));
  }

  /** The workers that may be asked; the list itself when that is all of them. */
  awake(workers: readonly Worker[], now: number): readonly Worker[] {
    if (this.#untilMs.size === 0) return workers;
    for (const [worker, until] of this.#untilMs) if (until <= now) this.#untilMs.delete(worker);
    return workers.some(({ id }) => this.#untilMs.has(id)) ? workers.filter(({ id }) => !this.#untilMs.has(id)) : workers;
  }

  /** Milliseconds until the first of them may be asked. */
  leftMs(workers: readonly Worker[], now: number): number {
    return Math.max(0, Math.min(...workers.map(({ id }) => this.#untilMs.get(id) ?? now)) - now);
  }

  keys(): Iterable<string> {
    return this.#heardBy.keys();
  }

  delete(worker: string): void {
    this.#untilMs.delete(worker);
    this.#heardBy.delete(worker);
  }
}
