import type { ModelEntry, Worker, WorkerDirectory } from '../worker.ts';
import { mayGoTo } from './via.ts';

/** The workers that a call may be sent to that has come by these gateways: those are left out. The list itself when that is all of them. */
export function elsewhere(workers: readonly Worker[], cameBy: readonly string[]): readonly Worker[] {
  if (cameBy.length === 0) return workers;
  const others = workers.filter(({ view: { gateway } }) => gateway == null || mayGoTo(gateway, cameBy));
  return others.length === workers.length ? workers : others;
}

/** Whether calls for the model that come by these gateways are, or can be, answered here: by its own workers, or by those of a fallback. */
export function isServedFor(
  directory: Pick<WorkerDirectory, 'readyFor' | 'resolve'>,
  model: Pick<ModelEntry, 'id' | 'loadable' | 'fallback'>,
  cameBy: readonly string[],
): boolean {
  const others = (model.fallback ?? []).map((other) => directory.resolve(other)).filter((other) => other !== null);
  return [model, ...others].some(({ id, loadable }) => loadable || elsewhere(directory.readyFor(id), cameBy).length > 0);
}
