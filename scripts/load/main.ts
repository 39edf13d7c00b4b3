import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';
import { interruptible } from '../program/interruptible.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { makeRunFolder, outFolder, writeReport } from '../report/run-folder.ts';
import { LOAD_HELP } from './help.ts';
import type { LoadResult } from './figures/load-result.ts';
import { measureLoad } from './measure-load.ts';
import { type LoadOptions, readLoadOptions } from './options.ts';
import type { Place } from './place.ts';
import { loadPage } from './report/load-page.ts';
import { resultJson } from './report/result-json.ts';
import { summaryText } from './report/summary-text.ts';

/** `headgate load` from its command line to its last line. @returns the exit code */
export async function runLoadCommand(argv: readonly string[], place: Place): Promise<number> {
  const read = readLoadOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(LOAD_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usageProblem('load', read.problem);
  const { options } = read;
  return await interruptible('load', async (signal) => {
    if (options.out !== null) outFolder(place.cwd, options.out);
    return tell(await measureLoad(options, place, signal), options, place);
  });
}

function tell(result: LoadResult, options: LoadOptions, { cwd }: Place): number {
  const json = resultJson(result, options.withCalls);
  process.stdout.write(options.json ? json : summaryText(result));
  const folder = options.out === null ? makeRunFolder(cwd, 'load', new Date(result.startedAt)) : outFolder(cwd, options.out);
  writeReport('load', folder, json, loadPage(result));
  return result.wasInterrupted || result.validity.problems.length > 0 ? EXIT_FAILED : 0;
}
