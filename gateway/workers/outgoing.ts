import type { Clock, Timer } from '../core/clock.ts';
import type { ListedWorker } from './listed-worker.ts';

/** How long a worker that was taken out of the list goes on serving, where nobody that took its place is ready. */
const LONGEST_MS = 300_000;

interface OutgoingOptions {
  readonly clock: Clock;
  /** Those that are listed now. */
  readonly listed: () => Iterable<ListedWorker>;
  /** Somebody has left. */
  readonly changed: () => void;
}

/**
 * Workers that are not listed any more and serve on, because without them nobody would: until whoever took their place is ready, or their
 * time is up.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #workers = new Map<string, { readonly worker: ListedWorker; readonly limit: Timer }>();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  all(): ListedWorker[] {
    return [...this.#workers.values()].map(({ worker }) => worker);
  }

  /** Takes over one that has just left the list, or closes it. @returns whether it serves on */
  add(worker: ListedWorker): boolean {
    if (!this.#isNeeded(worker)) {
      worker.close();
      return false;
    }
    const limit = this.#options.clock.after(LONGEST_MS, () => {
      this.#close(worker);
      this.#options.changed();
    });
    this.#workers.set(worker.view.id, { worker, limit });
    return true;
  }

  /** One that is listed again. */
  takeBack(id: string): ListedWorker | undefined {
    const known = this.#workers.get(id);
    known?.limit.cancel();
    this.#workers.delete(id);
    return known?.worker;
  }

  /** Lets go of those whose place is filled. */
  review(): void {
    for (const { worker } of this.#workers.values()) if (!this.#isNeeded(worker)) this.#close(worker);
  }

  close(): void {
    for (const { worker } of this.#workers.values()) this.#close(worker);
  }

  /** It serves a model that no listed worker serves, and some of those may yet come to. */
  #isNeeded({ view }: ListedWorker): boolean {
    if (view.state !== 'ready') return false;
    const listed = [...this.#options.listed()].map((other) => other.view);
    if (listed.every(({ state }) => state === 'ready')) return false;
    const served = new Set(listed.filter(({ state }) => state === 'ready').flatMap(({ models }) => models.map(({ id }) => id)));
    return view.models.some(({ id }) => !served.has(id));
  }

  #close(worker: ListedWorker): void {
    this.takeBack(worker.view.id);
    worker.close();
  }
}
