import type { FailureCause } from '../../core/attempt.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';

/** A supervisor knows of a worker's end at about the same time as we do; vLLM itself may take some seconds to follow its engine. */
export const NOTICE_MS = 5000;

/**
 * A worker ended before a byte had come, or had just lost others and is left alone for that, and no other could be asked: the call may do
 * well in that worker's next life.
 */
export class LostError extends GatewayError {
  readonly worker: Worker;
  /** The life in which the worker lost the call. */
  readonly life: WorkerLife | null;
  /** null: the call was not sent to it. */
  readonly failure: FailureCause | null;
  /** How long to wait for word of the worker's end. */
  readonly patienceMs: number;

  constructor(error: GatewayError, worker: Worker, life: WorkerLife | null, failure: FailureCause | null, patienceMs = NOTICE_MS) {
    super(error.kind, error.message, error.details);
    this.worker = worker;
    this.life = life;
    this.failure = failure;
    this.patienceMs = patienceMs;
  }
}

/** Which lives of workers have just lost calls: those who come a moment later need not be refused for it. One entry a worker. */
export class Losses {
  readonly #latest = new Map<string, { readonly life: WorkerLife | null; readonly atMs: number }>();

  record(worker: Worker, life: WorkerLife | null, now: number): void {
    this.#latest.set(worker.id, { life, atMs: now });
  }

  /**
   * What stands for the refusal of a call that was not sent because workers that have just lost others are left alone: one of `workers` may
   * well have ended without its supervisor having said so yet. The call waits for that word, but not longer than they are left alone. null
   * where none has lost any.
   */
  unexplained(refusal: GatewayError, workers: readonly Worker[], now: number): LostError | null {
    for (const worker of workers) {
      const latest = this.#latest.get(worker.id);
      if (!latest || latest.life !== worker.life) continue;
      const leftMs = Math.min(latest.atMs + NOTICE_MS - now, refusal.details.retryAfterMs ?? Infinity);
      if (leftMs > 0) return new LostError(refusal, worker, latest.life, null, leftMs);
    }
    return null;
  }

  keys(): Iterable<string> {
    return this.#latest.keys();
  }

  delete(worker: string): void {
    this.#latest.delete(worker);
  }
}
