import { hash } from 'node:crypto';

/** How long a worker's answer speaks for it. */
const WITNESS_MS = 10_000;
const REMEMBER_MS = 60_000;
const MOST_BODIES = 1_000;

/**
 * Who is to blame for a failure that a request may have brought about by itself (a schema that vLLM cannot compile is an HTTP 500). Such a
 * failure counts against a worker once for each body, and not at all while others are answered by that worker: one client that tries the
 * same again and again is one witness. Costs nothing but a note of the time as long as nothing fails so.
 */
export class Blame {
  /** By worker: when it last answered a call to the end. Monotonic ms. */
  readonly #answeredAt = new Map<string, number>();
  /** Bodies that failed so, at whatever worker, in the order of their last failure. */
  readonly #failedAt = new Map<string, number>();
  #lastFailureAt = -Infinity;

  answered(worker: string, now: number): void {
    this.#answeredAt.set(worker, now);
  }

  /** Notes the failure. @returns whether it is to count against the worker. */
  isWorkers(worker: string, body: Buffer, now: number): boolean {
    const isRepeated = this.#note(digest(body), now);
    const answeredAt = this.#answeredAt.get(worker);
    return !isRepeated && (answeredAt === undefined || now - answeredAt > WITNESS_MS);
  }

  /** Whether the body has failed so before: another worker would do no better. */
  hasFailedBefore(body: Buffer, now: number): boolean {
    if (this.#failedAt.size === 0) return false;
    // A failure of long ago must not have every body hashed for ever.
    if (now - this.#lastFailureAt > REMEMBER_MS) {
      this.#failedAt.clear();
      return false;
    }
    const at = this.#failedAt.get(digest(body));
    return at !== undefined && now - at <= REMEMBER_MS;
  }

  keys(): Iterable<string> {
    return this.#answeredAt.keys();
  }

  delete(worker: string): void {
    this.#answeredAt.delete(worker);
  }

  /** @returns whether it was there */
  #note(key: string, now: number): boolean {
    const before = this.#failedAt.get(key);
    this.#lastFailureAt = now;
    // Deleted first, so that the map stays in order of the last failure.
    this.#failedAt.delete(key);
    this.#failedAt.set(key, now);
    for (const [oldest, at] of this.#failedAt) {
      if (this.#failedAt.size <= MOST_BODIES && now - at <= REMEMBER_MS) break;
      this.#failedAt.delete(oldest);
    }
    return before !== undefined && now - before <= REMEMBER_MS;
  }
}

function digest(body: Buffer): string {
  return hash('sha256', body, 'base64');
}
