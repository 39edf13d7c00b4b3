import { EXIT_FAILED, EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { askedCriteria } from '../criteria/read-criteria.ts';
import type { Place } from '../load/place.ts';
import { interruptible } from '../program/interruptible.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { shownSpan } from '../report/numbers.ts';
import { makeRunFolder, outFolder, writeReport } from '../report/run-folder.ts';
import { Shown } from '../report/shown.ts';
import { type GateResult, runGate } from './gate.ts';
import { GATE_HELP } from './help.ts';
import { type GateOptions, readGateOptions } from './options.ts';
import { gateJson, gatePage, gateVerdict, mayRelease, profileLines } from './report.ts';

/** `headgate release-gate` from its command line to its last line. @returns the exit code */
export async function runGateCommand(argv: readonly string[], place: Place): Promise<number> {
  const read = readGateOptions(argv, place.env);
  if (read.kind === 'help') {
    process.stdout.write(GATE_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usageProblem('release-gate', read.problem);
  const { options } = read;
  const asked = askedCriteria(options.preset, options.criteria, place.cwd);
  if (!('criteria' in asked)) {
    if (options.criteria === null || options.preset !== null) return usageProblem('release-gate', asked.join('; '));
    process.stderr.write(`${asked.join('\n')}\n`);
    return EXIT_INVALID;
  }
  const outOfService = new Set<string>();
  const tellOut = (): void =>
    outOfService.forEach((id) => process.stderr.write(`${id} may be out of service still: headgate undrain ${id}\n`));
  return await interruptible(
    'release-gate',
    async (signal) => {
      if (options.out !== null) outFolder(place.cwd, options.out);
      return tell(await runShown(options, asked, place, { signal, outOfService }).finally(tellOut), options, place);
    },
    tellOut,
  );
}

async function runShown(
  options: GateOptions,
  asked: Pick<GateResult, 'criteria' | 'from'>,
  place: Place,
  watched: { readonly signal: AbortSignal; readonly outOfService: Set<string> },
): Promise<GateResult> {
  let doing = 'looks at the server';
  const started = performance.now();
  const shown = new Shown(() => `release-gate: ${doing} · ${shownSpan(performance.now() - started)}`);
  try {
    return await runGate(options, asked, place, {
      ...watched,
      show: (what) => (doing = what),
      say: (line) => shown.say(line),
      onEnd: (profile, ended) => profileLines({ profile, result: ended }).forEach((line) => shown.say(line)),
    });
  } finally {
    shown.end();
  }
}

function tell(result: GateResult, options: GateOptions, { cwd }: Place): number {
  const json = gateJson(result);
  const folder = options.out === null ? makeRunFolder(cwd, 'release-gate', new Date(result.startedAt)) : outFolder(cwd, options.out);
  writeReport('release-gate', folder, json, gatePage(result));
  process.stdout.write(options.json ? json : `${gateVerdict(result)}\n`);
  return mayRelease(result) ? 0 : EXIT_FAILED;
}
