import type { ModelEntry, ServedModel, Worker, WorkerDirectory } from '../worker.ts';

/** As what a worker serves a model: as itself, or of a pool as the first of its members that the worker has; null: it does not. */
export function servedBy({ view }: Pick<Worker, 'view'>, model: string, pool: ModelEntry['pool']): ServedModel | null {
  if (pool === undefined) return view.models.find(({ id }) => id === model) ?? null;
  for (const member of pool) {
    const served = view.models.find(({ id, isIdle }) => id === member && isIdle !== true);
    if (served !== undefined) return served;
  }
  return null;
}

/** The same, for a model by its id. */
export function servedAs(directory: Pick<WorkerDirectory, 'resolve'>, worker: Worker, model: string): ServedModel | null {
  const entry = directory.resolve(model);
  return servedBy(worker, model, entry?.id === model ? entry.pool : undefined);
}
