import type { PlannedLoad } from '../../load/plan-load.ts';
import type { Ground } from '../asked/ground.ts';
import type { Point } from '../grid/axes.ts';
import { judged } from '../grid/judged.ts';
import type { Figures, PointResult } from '../grid/outcome.ts';
import type { Journal } from '../asked/journal.ts';
import type { TuneOptions } from '../asked/options.ts';
import { forgetState } from './leftovers.ts';
import { measure, type Progress, sequencesOf, warmUp } from './measure.ts';
import { PointServer, type PointSettings } from './point-server.ts';

interface PointRun {
  readonly point: Point;
  readonly settings: PointSettings;
  readonly ground: Ground;
  readonly options: TuneOptions;
  readonly planned: PlannedLoad;
  readonly journal: Journal;
}

/** What became of a point, as far as it was measured; null: interrupted before there was anything. */
type Judged = Omit<PointResult, 'point' | 'launches' | 'tookMs'> | null;

/**
 * Launches a point, measures it and stops it, whatever happens. @returns null when it was interrupted. @throws Error when it cannot be
 * launched, or something of it cannot be ended: then nothing more can be launched either
 */
export async function runPoint(run: PointRun, progress: Progress): Promise<PointResult | null> {
  const { point, settings, journal } = run;
  const began = performance.now();
  progress.onPhase('starts');
  const server = await PointServer.launch(settings);
  const [judged] = await Promise.allSettled([judgePoint(server, run, progress)]);
  progress.onPhase('stops');
  const left = await server.stop();
  if (left !== null) throw new Error(`${point.key} cannot be ended: ${left}.`);
  journal.add({ kind: 'ended', stateDir: settings.stateDir });
  if (judged.status === 'rejected') throw judged.reason;
  const { value } = judged;
  // The logs of one that failed are worth keeping.
  if (value?.outcome !== 'failed') forgetState(settings.stateDir);
  return value && { point, ...value, launches: 1, tookMs: performance.now() - began };
}

async function judgePoint(
  server: PointServer,
  { point, ground, options, planned, journal }: PointRun,
  progress: Progress,
): Promise<Judged> {
  journal.add({ kind: 'launched', point: point.key, ...server.launched });
  const ready = await server.ready(point, progress.signal, (stage) => progress.onPhase(`starts: ${stage}`));
  if (ready.kind === 'interrupted') return null;
  if (ready.kind === 'over') return { ...ended(ready), figures: null, repeats: [] };
  const { model, usual } = ground.subject;
  const on = { url: server.url, workerUrl: ready.workerUrl, model, planned, sequences: sequencesOf(point, usual) };
  const repeats: Figures[] = [];
  const callMs = await warmUp(on, options, progress);
  if (callMs === null) return null;
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    const figures = await measure(on, options, { repeat, callMs }, progress);
    // What ran out of memory under load is no measurement, whatever its callers were told.
    const now = await server.look(point);
    if (now.kind === 'over') return { ...ended(now), figures: null, repeats };
    if (figures === null) return null;
    repeats.push(figures);
  }
  return judged(repeats, options.objectives);
}

function ended({
  outcome,
  failureClass,
  reason,
}: {
  readonly outcome: 'oom' | 'failed';
  readonly failureClass: string;
  readonly reason: string;
}) {
  return { outcome, failureClass, reason };
}
