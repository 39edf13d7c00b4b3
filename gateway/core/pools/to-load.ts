import type { ModelEntry, WorkerDirectory } from '../worker.ts';

/**
 * The model to wish for when calls wait for one that no worker has: itself, or of a pool the member that is on its way already, else the one
 * that is loaded soonest.
 */
export function modelToLoad(directory: Pick<WorkerDirectory, 'resolve'>, model: string): string {
  const members = (directory.resolve(model)?.pool ?? []).map((id) => directory.resolve(id)).filter((member) => member?.loadable === true);
  return members.toSorted((a, b) => costOf(a!) - costOf(b!))[0]?.id ?? model;
}

function costOf({ state, etaSeconds }: ModelEntry): number {
  return state === 'loading' ? -1 : (etaSeconds ?? Infinity);
}
