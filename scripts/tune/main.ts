import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';
import { stayAlive } from '../../gateway/core/clock.ts';
import type { Place } from '../load/place.ts';
import { planLoad } from '../load/plan-load.ts';
import { readCommandLine } from '../commands/line/command-line.ts';
import { interruptible } from '../program/interruptible.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { writeReport, writeWhole } from '../report/run-folder.ts';
import { shown, shownMs } from '../report/numbers.ts';
import { pointsOf } from './grid/axes.ts';
import { bestOf } from './grid/best.ts';
import { objectivesText } from './grid/objectives.ts';
import type { PointResult } from './grid/outcome.ts';
import { type CardsOf, type Ground, lookAround } from './asked/ground.ts';
import { TUNE_HELP } from './help.ts';
import { readTuneOptions, type TuneOptions } from './asked/options.ts';
import { overlayOf, overlayText } from './asked/overlay.ts';
import { subjectOf } from './asked/subject.ts';
import { endLeftBehind, folderFor, markDone } from './folder.ts';
import { prove } from './prove.ts';
import type { Found, Written } from './report/found.ts';
import { tuneJson } from './report/result-json.ts';
import { tunePage } from './report/tune-page.ts';
import { tuneText } from './report/tune-text.ts';
import { tune } from './tune.ts';

/** `headgate tune` from its command line to its last line. @returns the exit code */
export async function runTuneCommand(argv: readonly string[], place: Place, cardsOf: CardsOf): Promise<number> {
  const read = readTuneOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(TUNE_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usageProblem('tune', read.problem);
  const { options } = read;
  const line = readCommandLine('tune', options.where);
  if (line.kind === 'ended') return line.exitCode;
  const alive = stayAlive();
  try {
    const { loaded, cwd } = line;
    return await interruptible(
      'tune',
      async (signal) => await run(await lookAround(loaded, options, cwd, cardsOf), options, place, signal),
    );
  } finally {
    alive.cancel();
  }
}

async function run(ground: Ground, options: TuneOptions, place: Place, signal: AbortSignal): Promise<number> {
  const startedAt = Date.now();
  const began = performance.now();
  const planned = planLoad(options.load);
  const subject = subjectOf(ground, options, planned);
  const { folder, past } = folderFor(ground.cwd, options, subject);
  const points = pointsOf(ground.axes);
  const where = relative(ground.cwd, folder);
  process.stderr.write(
    past === null
      ? `headgate tune: ${points.length} points of ${subject.model} on ${subject.cards.join(', ') || 'no card'}; ${subject.load}; ${where}\n`
      : `headgate tune: goes on with ${where}, which was cut short after ${past.results.length} of ${points.length} points (--fresh begins anew).\n`,
  );
  await endLeftBehind(ground.cwd, { folder, past }, (text) => process.stderr.write(`${text}\n`));
  const { results, skipped, wasInterrupted: isCut } = await tune({ folder, ground, options, planned, subject, past, signal });
  const best = bestOf(results);
  const overlay = best === null || isCut ? null : await write(best, { folder, ground, options, signal, startedAt });
  const wasInterrupted = isCut || (overlay !== null && isUntried(overlay, options));
  if (!wasInterrupted) markDone(folder);
  const found: Found = {
    ...{ startedAt, subject, results, skipped, best, overlay, wasInterrupted },
    tookMs: performance.now() - began,
    axes: ground.axes,
    objectives: options.objectives,
    points: points.length,
    usual: results.find(({ point }) => Object.entries(point.flags).every(([flag, value]) => ground.subject.usual[flag] === value)) ?? null,
    machine: place.machine(),
    version: place.version,
  };
  const json = tuneJson(found);
  process.stdout.write(options.json ? json : tuneText(found));
  writeReport('tune', folder, json, tunePage(found));
  return best === null || wasInterrupted || (overlay?.problem ?? null) !== null ? EXIT_FAILED : 0;
}

/** Only an interruption keeps a tuning from being tried. */
function isUntried({ serves }: Written, { proves }: TuneOptions): boolean {
  return proves && serves === null;
}

interface WriteContext {
  readonly folder: string;
  readonly ground: Ground;
  readonly options: TuneOptions;
  readonly signal: AbortSignal;
  readonly startedAt: number;
}

/** Puts the best point where `--tuning` finds it, and tries it. */
async function write({ point, figures }: PointResult, { folder, ground, options, signal, startedAt }: WriteContext): Promise<Written> {
  const { subject, tuningFolder, cwd } = ground;
  const name = ground.tuningName;
  const title = `Measured: most output tokens of ${subject.model} on ${subject.gpu} within ${objectivesText(options.objectives)}`;
  const notes = [
    `Written by "headgate tune" (${relative(cwd, folder)}); use it with: headgate serve --tuning ${name}`,
    `${shown(figures?.outputTokenRate)} output tokens/s, p95 of whole answers ${shownMs(figures?.p95.e2e ?? NaN)}; below it lies the tuning ${ground.tuning}.`,
  ];
  const overlay = overlayOf(subject, point, title, new Date(startedAt).toISOString());
  mkdirSync(tuningFolder, { recursive: true });
  const file = join(tuningFolder, `${name}.yaml`);
  writeWhole(file, overlayText(overlay, notes));
  if (!options.proves) return { name, file, serves: null, problem: null };
  return { name, file, ...(await prove({ folder, name, point, ground, options, signal })) };
}
