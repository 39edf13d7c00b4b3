import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT_FAILED, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { ProgramError } from '../program/program-error.ts';
import { makeRunFolder } from '../report/run-folder.ts';
import { differences, Journal, type Past, readJournal, runsBelow, type Subject, unfinishedRun } from './asked/journal.ts';
import type { TuneOptions } from './asked/options.ts';
import { endPoint, forgetState } from './point/leftovers.ts';
import { isAlive } from './point/marks.ts';

export interface RunFolder {
  readonly folder: string;
  /** What is on record of it; null: it begins. */
  readonly past: Past | null;
}

/** A folder for this run: that of a run about the same which was cut short, or a new one. @throws ProgramError in words */
export function folderFor(cwd: string, { resume, fresh }: Pick<TuneOptions, 'resume' | 'fresh'>, subject: Subject): RunFolder {
  const named = resume === null ? null : resolve(cwd, resume);
  if (named !== null && !existsSync(named)) throw new ProgramError(`There is no folder ${named} to go on with.`, EXIT_USAGE);
  const folder = named ?? (fresh ? null : unfinishedRun(runsOf(cwd), subject));
  if (folder === null) return { folder: makeRunFolder(cwd, 'tune', new Date()), past: null };
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

/**
 * Ends what runs that were killed have left running, this one's earlier lives and all others of this folder: it would hold the card. A run
 * that is at work is left alone. @throws Error where something cannot be ended
 */
export async function endLeftBehind(cwd: string, { folder, past }: RunFolder, say: (text: string) => void): Promise<void> {
  const runs = runsBelow(runsOf(cwd)).filter((run) => run.folder !== folder);
  for (const run of [...runs, ...(past === null ? [] : [{ folder, past }])]) {
    if (run.past.open.length === 0 || isAlive(run.past.by)) continue;
    using journal = new Journal(run.folder);
    for (const launched of run.past.open) {
      say(`${launched.point} was under way when ${run.folder} was cut short: what is left of it is ended.`);
      const left = await endPoint(launched);
      if (left !== null) throw new Error(`${launched.point} cannot be ended: ${left}.`);
      forgetState(launched.stateDir);
      journal.add({ kind: 'ended', stateDir: launched.stateDir });
    }
  }
}

/** The search is over, and its best was tried: the same command begins anew. */
export function markDone(folder: string): void {
  using journal = new Journal(folder);
  journal.add({ kind: 'done', at: new Date().toISOString() });
}

function runsOf(cwd: string): string {
  return join(cwd, 'experiments/runs');
}
