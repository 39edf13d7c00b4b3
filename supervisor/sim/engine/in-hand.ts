import type { Choice } from './choice.ts';
import type { Job } from './job.ts';
import type { Sequence } from './sequence.ts';

/** The requests that have not ended, and which sequence belongs to which of them. */
export class JobsInHand {
  readonly #jobs = new Set<Job>();
  readonly #owners = new Map<Sequence, { readonly job: Job; readonly choice: Choice }>();
  #idleListeners: (() => void)[] = [];

  has(job: Job): boolean {
    return this.#jobs.has(job);
  }

  all(): readonly Job[] {
    return [...this.#jobs];
  }

  take(job: Job): void {
    this.#jobs.add(job);
    for (const choice of job.choices) this.#owners.set(choice.sequence, { job, choice });
  }

  ownerOf(sequence: Sequence): { readonly job: Job; readonly choice: Choice } | undefined {
    return this.#owners.get(sequence);
  }

  /** One of a request's sequences has ended; the request may have others. */
  forget(sequence: Sequence): void {
    this.#owners.delete(sequence);
  }

  /** @returns whether it was there */
  letGo(job: Job): boolean {
    if (!this.#jobs.delete(job)) return false;
    if (this.#jobs.size === 0) for (const listener of this.#idleListeners.splice(0)) listener();
    return true;
  }

  /** Resolves when nothing is in hand. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#jobs.size === 0) resolve();
      else this.#idleListeners.push(resolve);
    });
  }
}
