import { nearestName } from '../../../gateway/config/schema/nearest-name.ts';
import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { unservedNames, unservedText } from '../../../gateway/core/pools/unserved.ts';
import type { Looked } from './workers-text.ts';

/**
 * Names behind models that none of the workers serves, a sentence each; none while one of them has not said what it serves. Where the
 * settings say it of all of them, they have been held against it when they were read.
 */
export function unservedIn({ models, workers: entries }: Pick<Settings, 'models' | 'workers'>, { sources, workers }: Looked): string[] {
  if (entries.every((entry) => entry.models !== null)) return [];
  const isKnown = sources.every(({ isUp }) => isUp === true) && workers.every((worker) => worker.models.length > 0);
  if (!isKnown || workers.length === 0) return [];
  const served = new Set(workers.flatMap((worker) => worker.models));
  return [...unservedNames(models, served, nearestName)].flatMap(([id, names]) => names.map((each) => unservedText(id, each)));
}
