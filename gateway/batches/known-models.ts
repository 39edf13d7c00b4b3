import type { ModelNames } from '../core/principal.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import type { KnownModels } from './validator.ts';

/** Every name that a model may be called by, of those that `allowed` lets through. */
export function knownModels(directory: WorkerDirectory, allowed: (model: ModelNames) => boolean): KnownModels {
  const names: [string, string][] = [];
  for (const model of directory.models()) {
    if (!allowed(model)) continue;
    const called = [model.id, ...model.aliases, ...(model.root === null ? [] : [model.root])];
    // A name may be that of another, which goes before.
    for (const name of called) if (directory.resolve(name)?.id === model.id) names.push([name, model.id]);
  }
  const workers = directory.workers();
  return { names, isComplete: workers.length > 0 && workers.every(({ view }) => view.models.length > 0) };
}
