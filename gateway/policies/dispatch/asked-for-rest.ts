import type { Worker } from '../../core/worker.ts';

/** However long a worker asks to be left alone, it is asked again after this: what it said may have been about one request. */
const LONGEST_MS = 60_000;
/** Two who hear it within this have heard it of the worker, and not of what they sent. */
const WITNESS_MS = 10_000;

/**
 * Workers that said for how long they want no more calls (429 or 503 with Retry-After). It takes two different bodies that were told so:
 * what is said to one may be about that one. A gateway says it of one model: others may be free behind it. Empty, it costs a look at its size.
 */
export class AskedForRest {
  readonly #untilMs = new Map<string, number>();
  /** Whose call heard it last. */
  readonly #heardBy = new Map<string, { readonly body: string; readonly atMs: number }>();

  /** `model`: the call's · `body`: what stands for the body of the call that was told · `now`: monotonic ms */
  note(worker: Worker, model: string, restMs: number, body: string, now: number): void {
    const key = keyOf(worker, model);
    const before = this.#heardBy.get(key);
    this.#heardBy.set(key, { body, atMs: now });
    if (before === undefined || before.body === body || now - before.atMs > WITNESS_MS) return;
    this.#untilMs.set(key, now + Math.min(restMs, LONGEST_MS));
  }

  /** The workers that may be asked for the model; the list itself when that is all of them. */
  awake(workers: readonly Worker[], model: string, now: number): readonly Worker[] {
    if (this.#untilMs.size === 0) return workers;
    for (const [key, until] of this.#untilMs) if (until <= now) this.#untilMs.delete(key);
    const isAwake = (worker: Worker): boolean => !this.#untilMs.has(keyOf(worker, model));
    return workers.every(isAwake) ? workers : workers.filter(isAwake);
  }

  /** Milliseconds until the first of them may be asked. */
  leftMs(workers: readonly Worker[], model: string, now: number): number {
    return Math.max(0, Math.min(...workers.map((worker) => this.#untilMs.get(keyOf(worker, model)) ?? now)) - now);
  }

  /** Ids of workers. */
  keys(): Iterable<string> {
    return new Set(Array.from(this.#heardBy.keys(), workerIn));
  }

  delete(worker: string): void {
    for (const known of [this.#untilMs, this.#heardBy]) for (const key of known.keys()) if (workerIn(key) === worker) known.delete(key);
  }
}

const BETWEEN = '\n';

function keyOf({ id, view }: Worker, model: string): string {
  return view.gateway == null ? id : `${id}${BETWEEN}${model}`;
}

function workerIn(key: string): string {
  return key.split(BETWEEN, 1)[0]!;
}
