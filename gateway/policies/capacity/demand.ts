import type { Worker } from '../../core/worker.ts';
import type { LineFigures } from './share.ts';

/** A line, and the workers that its calls may go to. */
export interface ServedLine {
  readonly line: LineFigures;
  readonly workers: readonly Worker[];
  /** Calls that have a place and are with no worker yet, or not any more. */
  readonly elsewhere: number;
}

/** What a worker has, and what calls may yet come to it: those that go first, and the others. */
export interface Demand {
  readonly first: number;
  readonly rest: number;
  /** Calls with a place that may be with it at any moment. */
  readonly elsewhere: number;
}

/** Each line with the workers that are ready for it. */
export function servedLines(lines: Iterable<LineFigures>, readyFor: (model: string) => readonly Worker[]): ServedLine[] {
  return [...lines].map((line) => {
    const workers = readyFor(line.model);
    return { line, workers, elsewhere: Math.max(0, line.inUse - workers.reduce((sum, { inFlight }) => sum + inFlight, 0)) };
  });
}

/**
 * A call that waits may go to any worker that serves its model, and so may one that has its place and is with none yet: each of them counts
 * it. Pure.
 */
export function demandAt(worker: Worker, served: readonly ServedLine[]): Demand {
  let [first, rest, all] = [worker.inFlight, 0, 0];
  for (const { line, workers, elsewhere } of served) {
    if (!workers.includes(worker)) continue;
    const later = line.inUse === 0 ? 0 : Math.round((worker.inFlight * line.inUseLater) / line.inUse);
    first += elsewhere + line.waiting - line.waitingLater - later;
    rest += line.waitingLater + later;
    all += elsewhere;
  }
  return { first: Math.max(0, first), rest, elsewhere: all };
}
