import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';
import type { Place } from '../load/place.ts';
import { interruptible } from '../program/interruptible.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { makeRunFolder, outFolder, writeReport } from '../report/run-folder.ts';
import { fewestBlocksOf } from './figures/comparison.ts';
import { type AbtestResult, isValid } from './figures/result.ts';
import { ABTEST_HELP } from './help.ts';
import { measureAbtest } from './measure-abtest.ts';
import { type AbtestOptions, readAbtestOptions } from './options.ts';
import { abtestPage } from './report/abtest-page.ts';
import { resultJson } from './report/result-json.ts';
import { summaryText } from './report/summary-text.ts';

/** `headgate abtest` from its command line to its last line. @returns the exit code */
export async function runAbtestCommand(argv: readonly string[], place: Place): Promise<number> {
  const read = readAbtestOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(ABTEST_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usageProblem('abtest', read.problem);
  const { options } = read;
  sayWhenTooFew(options);
  return await interruptible(
    'abtest',
    async (signal) => {
      if (options.load.out !== null) outFolder(place.cwd, options.load.out);
      return tell(await measureAbtest(options, place, signal), options, place);
    },
    () => sayWhatStays(options),
  );
}

/** Before anybody has waited for it. */
function sayWhenTooFew({ arms, judged, confidence, blocks }: AbtestOptions): void {
  const fewest = fewestBlocksOf({ arms: arms.length, judged, confidence });
  if (blocks >= fewest) return;
  const said = `${blocks} ${blocks === 1 ? 'block is' : 'blocks are'} too few to show any difference with such confidence: ${fewest} are the fewest`;
  process.stderr.write(`headgate abtest: ${said}.\n`);
}

function sayWhatStays({ arms }: AbtestOptions): void {
  if (arms[0]?.settings)
    process.stderr.write('headgate abtest: what was laid over the settings ends by itself, half a minute after its slot.\n');
}

function tell(result: AbtestResult, { load }: AbtestOptions, { cwd }: Place): number {
  const json = resultJson(result, load.withCalls);
  process.stdout.write(load.json ? json : summaryText(result));
  const folder = load.out === null ? makeRunFolder(cwd, 'abtest', new Date(result.startedAt)) : outFolder(cwd, load.out);
  writeReport('abtest', folder, json, abtestPage(result));
  return isValid(result) ? 0 : EXIT_FAILED;
}
