import type { ModelEntry, Worker, WorkerDirectory } from '../worker.ts';
import { mayGoTo } from './via.ts';

/** The workers that a call may be sent to that has come by these gateways: those are left out. The list itself when that is all of them. */
export function elsewhere(workers: readonly Worker[], cameBy: readonly string[]): readonly Worker[] {
  if (cameBy.length === 0) return workers;
  const others = workers.filter(({ view: { gateway } }) => gateway == null || mayGoTo(gateway, cameBy));
  return others.length === workers.length ? workers : others;
}

/** Whether the model is, or can be, served for calls that come by these gateways. */
export function isServedFor(
  directory: Pick<WorkerDirectory, 'readyFor'>,
  { id, loadable }: ModelEntry,
  cameBy: readonly string[],
): boolean {
  return cameBy.length === 0 || loadable || elsewhere(directory.readyFor(id), cameBy).length > 0;
}
