import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PlannedLoad } from '../load/plan-load.ts';
import { Shown } from '../report/shown.ts';
import { shown, shownMs } from '../report/numbers.ts';
import type { Ground } from './asked/ground.ts';
import { type Point, pointsOf } from './grid/axes.ts';
import { together } from './grid/judged.ts';
import type { SearchState } from './grid/look.ts';
import { launchesOf, type PointResult } from './grid/outcome.ts';
import { launchesLeft, nextPoint, skippedPoints } from './grid/search.ts';
import { Journal, type Past, type Subject } from './asked/journal.ts';
import { TuneLine } from './live.ts';
import type { TuneOptions } from './asked/options.ts';
import { overlayOf, overlayText } from './asked/overlay.ts';
import { markOf } from './point/marks.ts';
import { runPoint } from './point/run-point.ts';

export interface TuneRun {
  readonly folder: string;
  readonly ground: Ground;
  readonly options: TuneOptions;
  readonly planned: PlannedLoad;
  readonly subject: Subject;
  /** What an earlier life of this run has on record; null: it begins. */
  readonly past: Past | null;
  readonly signal: AbortSignal;
}

export interface TuneOutcome {
  readonly results: readonly PointResult[];
  readonly skipped: readonly { readonly point: Point; readonly why: string }[];
  readonly wasInterrupted: boolean;
}

/** Runs the search to its end, or to where it is interrupted. @throws Error in words where a point cannot be launched or ended at all */
export async function tune({ folder, ground, options, planned, subject, past, signal }: TuneRun): Promise<TuneOutcome> {
  using journal = new Journal(folder);
  journal.add({ kind: past === null ? 'begun' : 'resumed', at: new Date().toISOString(), subject, by: markOf(process.pid) });
  const results: PointResult[] = [...(past?.results ?? [])];
  const told = new Set(past?.skipped);
  const began = performance.now();
  const line = new TuneLine(launchesOf(results));
  const say = new Shown(() => line.text(performance.now() - began));
  const profiles = prepareProfiles(folder, ground);
  const state = (): SearchState => ({ axes: ground.axes, results, prunes: options.prunes, isSaturating: !options.hasOwnPace });
  try {
    for (;;) {
      const point = signal.aborted ? null : nextPoint(options.search, state());
      for (const { point: at, skip } of skippedPoints(state())) {
        if (told.has(at.key)) continue;
        told.add(at.key);
        journal.add({ kind: 'skipped', point: at, why: skip.why });
        say.say(`${at.key}: not launched: ${skip.why}`);
      }
      if (point === null) break;
      const number = pointsOf(ground.axes).findIndex(({ key }) => key === point.key);
      const tuning = `point-${number}`;
      const title = `${point.key}, on trial`;
      writeFileSync(join(profiles, 'tuning', `${tuning}.yaml`), overlayText(overlayOf(ground.subject, point, title, null)));
      line.next(point.key, launchesLeft(options.search, state()), meanMs(results), performance.now() - began);
      const { cwd, vllmCache, startTimeoutMs } = ground;
      const stateDir = join(folder, 'points', `${number}`);
      const settings = { cwd, where: options.where, profiles, tuning, stateDir, vllmCache, startTimeoutMs };
      const ran = await runPoint({ point, settings, ground, options, planned, journal }, { signal, onPhase: (phase) => line.phase(phase) });
      if (ran === null) break;
      const known = results.findIndex((result) => result.point.key === point.key);
      const result = known === -1 ? ran : together(results[known]!, ran, options.objectives);
      journal.add({ kind: 'result', result });
      results.splice(known === -1 ? results.length : known, 1, result);
      line.ended();
      say.say(resultLine(result));
    }
  } finally {
    say.end();
  }
  const skipped = skippedPoints(state()).map(({ point, skip }) => ({ point, why: skip.why }));
  return { results, skipped, wasInterrupted: signal.aborted };
}

/** Each point sees the operator's own profiles, and its own tuning beside them. */
function prepareProfiles(folder: string, { ownProfiles }: Ground): string {
  const profiles = join(folder, 'profiles');
  if (ownProfiles !== null) cpSync(ownProfiles, profiles, { recursive: true, force: true });
  mkdirSync(join(profiles, 'tuning'), { recursive: true });
  return profiles;
}

/** Of a launch. */
function meanMs(results: readonly PointResult[]): number {
  return results.reduce((sum, { tookMs }) => sum + tookMs, 0) / launchesOf(results);
}

function resultLine({ point, outcome, reason, figures, launches }: PointResult): string {
  const said = figures === null ? '' : `${shown(figures.outputTokenRate)} tokens/s, p95 e2e ${shownMs(figures.p95.e2e)}`;
  const preempted = figures !== null && figures.preemptions > 0 ? `, ${shown(figures.preemptions)} preemptions` : '';
  const why = reason === null ? '' : `${outcome}: ${reason.split('\n')[0]}`;
  const again = launches > 1 ? ` (launched ${launches} times)` : '';
  return `${point.key}${again}: ${[`${said}${preempted}`, why].filter((part) => part !== '').join('; ')}`;
}
