import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeRunFolder, writeWhole } from '../report/run-folder.ts';
import { fewestBlocksOf } from './figures/comparison.ts';
import type { AbtestResult } from './figures/result.ts';
import { ABTEST_HELP } from './help.ts';
import { measureAbtest } from './measure-abtest.ts';
import { type AbtestOptions, readAbtestOptions } from './options.ts';
import type { AbtestPlace } from './place.ts';
import { abtestPage } from './report/abtest-page.ts';
import { resultJson } from './report/result-json.ts';
import { summaryText } from './report/summary-text.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `headgate abtest` from its command line to its last line. @returns the exit code */
export async function runAbtestCommand(argv: readonly string[], place: AbtestPlace): Promise<number> {
  const read = readAbtestOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(ABTEST_HELP);
    return 0;
  }
  if (read.kind === 'usage') {
    process.stderr.write(`headgate abtest: ${read.problem}\n"headgate abtest --help" tells its usage.\n`);
    return EXIT_USAGE;
  }
  sayWhenTooFew(read.options);
  const stopping = new AbortController();
  // What was measured is told; whoever does not want that either says it twice.
  const interrupt = (): void => (stopping.signal.aborted ? leave(read.options) : stopping.abort());
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const result = await measureAbtest(read.options, place, stopping.signal);
    return tell(result, read.options, place);
  } catch (error) {
    process.stderr.write(`headgate abtest: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** Before anybody has waited for it. */
function sayWhenTooFew({ arms, judged, confidence, blocks }: AbtestOptions): void {
  const fewest = fewestBlocksOf({ arms: arms.length, judged, confidence });
  if (blocks >= fewest) return;
  const said = `${blocks} ${blocks === 1 ? 'block is' : 'blocks are'} too few to show any difference with such confidence: ${fewest} are the fewest`;
  process.stderr.write(`headgate abtest: ${said}.\n`);
}

function leave({ arms }: AbtestOptions): never {
  if (arms[0]?.settings)
    process.stderr.write('headgate abtest: what was laid over the settings ends by itself, half a minute after its slot.\n');
  process.exit(EXIT_INTERRUPTED);
}

function tell(result: AbtestResult, { load }: AbtestOptions, { cwd }: AbtestPlace): number {
  const json = resultJson(result, load.withCalls);
  process.stdout.write(load.json ? json : summaryText(result));
  const folder = load.out === null ? makeRunFolder(cwd, 'abtest', new Date(result.startedAt)) : resolve(cwd, load.out);
  mkdirSync(folder, { recursive: true });
  writeWhole(join(folder, 'result.json'), json);
  writeWhole(join(folder, 'report.html'), abtestPage(result));
  process.stderr.write(`headgate abtest: ${join(folder, 'report.html')}\n`);
  return result.wasInterrupted || result.stopped !== null || result.trust.problems.length > 0 ? EXIT_FAILED : 0;
}
