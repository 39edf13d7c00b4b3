import type { Call } from '../../core/call.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';

/** A worker that nobody but batches has used for so long is not missed. */
export const UNUSED_MS = 30_000;
/** Work of lines shows in the counters of their worker so long after they have ended. */
const ECHO_MS = 2_000;

/** What others than lines of batches use workers for: who is there is not to have his model taken away for a batch. */
export class OthersUse {
  readonly #directory: Pick<WorkerDirectory, 'workers' | 'readyFor'>;
  /** By model: when an interactive call was seen last. Monotonic ms. */
  readonly #calledAt = new Map<string, number>();
  /** By model: when a line was seen running last. Monotonic ms. */
  readonly #lineAt = new Map<string, number>();

  constructor(directory: Pick<WorkerDirectory, 'workers' | 'readyFor'>) {
    this.#directory = directory;
  }

  called({ model }: Call, now: number): void {
    this.#calledAt.set(model, now);
  }

  ranLine(model: string, now: number): void {
    this.#lineAt.set(model, now);
  }

  /**
   * How long it takes until a model may be asked for that no worker has, in ms; 0: somewhere is room for it, or a worker that nobody else uses.
   * Calls that other processes and other gateways send show in what the engine has done.
   */
  restMs(now: number): number {
    let usedAt = Infinity;
    for (const worker of this.#directory.workers()) {
      if (worker.view.state === 'idle') return 0;
      if (worker.view.state === 'ready') usedAt = Math.min(usedAt, this.#usedAt(worker));
    }
    if (usedAt === Infinity) usedAt = Math.max(-Infinity, ...this.#calledAt.values());
    return Math.max(0, usedAt + UNUSED_MS - now);
  }

  #usedAt(worker: Worker): number {
    let [called, line] = [-Infinity, -Infinity];
    for (const [model, at] of this.#calledAt) if (this.#directory.readyFor(model).includes(worker)) called = Math.max(called, at);
    for (const [model, at] of this.#lineAt) if (this.#directory.readyFor(model).includes(worker)) line = Math.max(line, at);
    const { movedAt } = worker.load;
    const worked = movedAt !== null && movedAt > line + ECHO_MS ? movedAt : -Infinity;
    // What others do at one that is new to us has yet to show.
    return Math.max(called, worked, (worker.life?.since ?? -Infinity) + ECHO_MS - UNUSED_MS);
  }
}
