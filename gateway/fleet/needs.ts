import type { Worker } from '../core/worker.ts';
import type { LineFigures, ShareSources } from '../policies/capacity/share.ts';
import type { Need } from './terms.ts';

interface Served {
  readonly line: LineFigures;
  readonly workers: readonly Worker[];
  /** Calls that have a place and are with no worker yet, or not any more. */
  readonly elsewhere: number;
}

/**
 * What a gateway of one process needs at each worker. A call that waits may go to any worker that serves its model, and so may one that has
 * its place and is with none yet: each of them counts it. Pure.
 */
export function needsOf(
  sources: ShareSources,
  workers: readonly Worker[],
  readyFor: (model: string) => readonly Worker[],
): Map<string, Need> {
  const served = [...sources.lines()].map((line): Served => {
    const ready = readyFor(line.model);
    return { line, workers: ready, elsewhere: Math.max(0, line.inUse - ready.reduce((sum, { inFlight }) => sum + inFlight, 0)) };
  });
  return new Map(workers.map((worker) => [worker.id, needOf(worker, served, sources.placesOf(worker))]));
}

function needOf(worker: Worker, served: readonly Served[], total: number): Need {
  let [first, rest, inUse] = [worker.inFlight, 0, worker.inFlight];
  for (const { line, workers, elsewhere } of served) {
    if (!workers.includes(worker)) continue;
    const later = line.inUse === 0 ? 0 : Math.round((worker.inFlight * line.inUseLater) / line.inUse);
    first += elsewhere + line.waiting - line.waitingLater - later;
    rest += line.waitingLater + later;
    inUse += elsewhere;
  }
  return { total, first: Math.max(0, first), rest, inUse, kept: inUse };
}
