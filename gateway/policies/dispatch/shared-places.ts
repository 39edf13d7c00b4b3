import type { Worker, WorkerDirectory } from '../../core/worker.ts';

/**
 * Calls that are with workers, by the model that they were made for, as long as a pool has it: the line of such a model has not all of its
 * workers' places to itself. Of any other model nothing is counted.
 */
export class SharedPlaces {
  readonly #directory: Pick<WorkerDirectory, 'readyFor' | 'shares'>;
  readonly #atWorkers = new Map<string, number>();

  constructor(directory: Pick<WorkerDirectory, 'readyFor' | 'shares'>) {
    this.#directory = directory;
  }

  /** A call goes to a worker. @returns whether its end is to be told */
  begin(model: string): boolean {
    if (this.#directory.shares?.(model) !== true) return false;
    this.#atWorkers.set(model, (this.#atWorkers.get(model) ?? 0) + 1);
    return true;
  }

  end(model: string): void {
    const left = (this.#atWorkers.get(model) ?? 0) - 1;
    if (left > 0) this.#atWorkers.set(model, left);
    else this.#atWorkers.delete(model);
  }

  /** How many places at the model's workers calls of other models have. */
  takenByOthers(model: string): number {
    if (this.#directory.shares?.(model) !== true) return 0;
    const all = this.#directory.readyFor(model).reduce((sum: number, { inFlight }: Worker) => sum + inFlight, 0);
    return Math.max(0, all - (this.#atWorkers.get(model) ?? 0));
  }
}
