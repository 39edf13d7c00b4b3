import { existsSync, mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { EXIT_FAILED, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { stayAlive } from '../../gateway/core/clock.ts';
import type { Place } from '../load/place.ts';
import { planLoad } from '../load/plan-load.ts';
import { readCommandLine } from '../commands/line/command-line.ts';
import { interruptible } from '../program/interruptible.ts';
import { ProgramError } from '../program/program-error.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { makeRunFolder, writeWhole } from '../report/run-folder.ts';
import { shown, shownMs, shownSpan } from '../report/numbers.ts';
import { pointsOf } from './grid/axes.ts';
import { bestOf } from './grid/best.ts';
import { objectivesText } from './grid/objectives.ts';
import type { PointResult } from './grid/outcome.ts';
import { type CardsOf, type Ground, lookAround } from './asked/ground.ts';
import { TUNE_HELP } from './help.ts';
import { differences, type Past, readJournal, type Subject, unfinishedRun } from './asked/journal.ts';
import { readTuneOptions, type TuneOptions } from './asked/options.ts';
import { overlayName, overlayOf, overlayText } from './asked/overlay.ts';
import { isAlive } from './point/marks.ts';
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
  const subject = subjectOf(ground, options);
  const { folder, past } = folderFor(ground, options, subject);
  const points = pointsOf(ground.axes);
  const where = relative(ground.cwd, folder);
  process.stderr.write(
    past === null
      ? `headgate tune: ${points.length} points of ${subject.model} on ${subject.cards.join(', ') || 'no card'}; ${subject.load}; ${where}\n`
      : `headgate tune: goes on with ${where}, which was cut short after ${past.results.length} of ${points.length} points (--fresh begins anew).\n`,
  );
  const { results, skipped, wasInterrupted } = await tune({ folder, ground, options, subject, past, signal });
  const best = bestOf(results);
  const overlay = best === null || wasInterrupted ? null : await write(best, { folder, ground, options, signal, startedAt });
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
  writeWhole(join(folder, 'result.json'), json);
  writeWhole(join(folder, 'report.html'), tunePage(found));
  process.stderr.write(`headgate tune: ${join(folder, 'report.html')}\n`);
  return best === null || wasInterrupted || (overlay?.problem ?? null) !== null ? EXIT_FAILED : 0;
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
  const name = options.name ?? overlayName(subject.model, subject.gpu);
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
  const problem = await prove(folder, name, point, ground, options, signal);
  return { name, file, serves: problem === null, problem };
}

function subjectOf({ subject, engine, engineVersion, cards, axes }: Ground, options: TuneOptions): Subject {
  const { search, prunes, repeats, load, loadMs, hasOwnPace, objectives } = options;
  const { paceText, promptsText } = planLoad(load);
  const pace = hasOwnPace
    ? paceText
    : `${shownSpan(loadMs)} with every place taken, then ${shownSpan(loadMs)} at 80 % of what that came to`;
  return {
    model: subject.model,
    profile: subject.gpu,
    ...{ engine, engineVersion, cards, axes, search, prunes, repeats },
    seed: load.seed,
    load: `${pace}; ${promptsText}`,
    objectives: objectivesText(objectives),
  };
}

/** A folder for this run: that of a run about the same which was cut short, or a new one. @throws ProgramError in words */
function folderFor(
  { cwd }: Ground,
  { resume, fresh }: TuneOptions,
  subject: Subject,
): { readonly folder: string; readonly past: Past | null } {
  const named = resume === null ? null : resolve(cwd, resume);
  if (named !== null && !existsSync(named)) throw new ProgramError(`There is no folder ${named} to go on with.`, EXIT_USAGE);
  const folder = named ?? (fresh ? null : unfinishedRun(join(cwd, 'experiments/runs'), subject));
  if (folder === null) {
    return { folder: makeRunFolder(cwd, 'tune', new Date()), past: null };
  }
  const past = readJournal(folder);
  if (past === null) throw new ProgramError(`${folder} has no journal of "headgate tune" to go on with.`, EXIT_USAGE);
  if (isAlive(past.by)) throw new ProgramError(`Process ${past.by.pid} is at work on ${folder} and has the card.`, EXIT_FAILED);
  const other = differences(past.subject, subject);
  if (other.length > 0)
    throw new ProgramError(
      `${folder} is about something else (${other.join(', ')}): give the same flags, or leave out --resume.`,
      EXIT_USAGE,
    );
  return { folder, past };
}
