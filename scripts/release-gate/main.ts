import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { askedCriteria } from '../criteria/read-criteria.ts';
import { shownSpan } from '../report/numbers.ts';
import { makeRunFolder, writeWhole } from '../report/run-folder.ts';
import { Shown } from '../report/shown.ts';
import { type GatePlace, type GateResult, runGate } from './gate.ts';
import { GATE_HELP } from './help.ts';
import { type GateOptions, readGateOptions } from './options.ts';
import { gateJson, gatePage, gateVerdict, mayRelease, profileLines } from './report.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** `headgate release-gate` from its command line to its last line. @returns the exit code */
export async function runGateCommand(argv: readonly string[], place: GatePlace): Promise<number> {
  const read = readGateOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(GATE_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usage(read.problem);
  const { options } = read;
  const asked = askedCriteria(options.preset, options.criteria, place.cwd);
  if (!('criteria' in asked)) {
    if (options.criteria === null || options.preset !== null) return usage(asked.join('; '));
    process.stderr.write(`${asked.join('\n')}\n`);
    return EXIT_INVALID;
  }
  const stopping = new AbortController();
  // What has been measured is told; whoever does not want that either says it twice.
  const interrupt = (): void => (stopping.signal.aborted ? process.exit(EXIT_INTERRUPTED) : stopping.abort());
  for (const signal of SIGNALS) process.on(signal, interrupt);
  let doing = 'looks at the server';
  const started = performance.now();
  const shown = new Shown(() => `release-gate: ${doing} · ${shownSpan(performance.now() - started)}`);
  try {
    const result = await runGate(options, asked, place, {
      signal: stopping.signal,
      show: (what) => (doing = what),
      say: (line) => shown.say(line),
      onEnd: (profile, ended) => profileLines({ profile, result: ended }).forEach((line) => shown.say(line)),
    });
    shown.end();
    return tell(result, options, place);
  } catch (error) {
    shown.end();
    process.stderr.write(`headgate release-gate: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function tell(result: GateResult, options: GateOptions, { cwd }: GatePlace): number {
  const json = gateJson(result);
  const folder = options.out === null ? makeRunFolder(cwd, 'release-gate', new Date(result.startedAt)) : resolve(cwd, options.out);
  mkdirSync(folder, { recursive: true });
  writeWhole(join(folder, 'result.json'), json);
  writeWhole(join(folder, 'report.html'), gatePage(result));
  process.stdout.write(options.json ? json : `${gateVerdict(result)}\n`);
  process.stderr.write(`headgate release-gate: ${join(folder, 'report.html')}\n`);
  return mayRelease(result) ? 0 : EXIT_FAILED;
}

function usage(problem: string): number {
  process.stderr.write(`headgate release-gate: ${problem}\n"headgate release-gate --help" tells its usage.\n`);
  return EXIT_USAGE;
}
