import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeRunFolder, writeWhole } from '../report/run-folder.ts';
import { LOAD_HELP } from './help.ts';
import type { LoadResult } from './figures/load-result.ts';
import { measureLoad } from './measure-load.ts';
import { type LoadOptions, readLoadOptions } from './options.ts';
import type { Place } from './place.ts';
import { loadPage } from './report/load-page.ts';
import { resultJson } from './report/result-json.ts';
import { summaryText } from './report/summary-text.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** `headgate load` from its command line to its last line. @returns the exit code */
export async function runLoadCommand(argv: readonly string[], place: Place): Promise<number> {
  const read = readLoadOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(LOAD_HELP);
    return 0;
  }
  if (read.kind === 'usage') {
    process.stderr.write(`headgate load: ${read.problem}\n"headgate load --help" tells its usage.\n`);
    return EXIT_USAGE;
  }
  const stopping = new AbortController();
  // What was measured is told; whoever does not want that either says it twice.
  const interrupt = (): void => (stopping.signal.aborted ? process.exit(EXIT_INTERRUPTED) : stopping.abort());
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const result = await measureLoad(read.options, place, stopping.signal);
    return tell(result, read.options, place);
  } catch (error) {
    process.stderr.write(`headgate load: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function tell(result: LoadResult, options: LoadOptions, { cwd }: Place): number {
  const json = resultJson(result, options.withCalls);
  process.stdout.write(options.json ? json : summaryText(result));
  const folder = options.out === null ? makeRunFolder(cwd, 'load', new Date(result.startedAt)) : resolve(cwd, options.out);
  mkdirSync(folder, { recursive: true });
  writeWhole(join(folder, 'result.json'), json);
  writeWhole(join(folder, 'report.html'), loadPage(result));
  process.stderr.write(`headgate load: ${join(folder, 'report.html')}\n`);
  return result.wasInterrupted || result.validity.problems.length > 0 ? EXIT_FAILED : 0;
}
