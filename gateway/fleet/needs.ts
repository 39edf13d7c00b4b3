import type { Worker } from '../core/worker.ts';
import { demandAt, servedLines } from '../policies/capacity/demand.ts';
import type { ShareSources } from '../policies/capacity/share.ts';
import type { Need } from './terms.ts';

/** What a gateway of one process needs at each worker. Pure. */
export function needsOf(
  sources: ShareSources,
  workers: readonly Worker[],
  readyFor: (model: string) => readonly Worker[],
): Map<string, Need> {
  const served = servedLines(sources.lines(), readyFor);
  return new Map(
    workers.map((worker) => {
      const { first, rest, elsewhere } = demandAt(worker, served);
      const inUse = worker.inFlight + elsewhere;
      return [worker.id, { total: sources.placesOf(worker), first, rest, inUse, kept: inUse }];
    }),
  );
}
