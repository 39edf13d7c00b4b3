import { EXIT_FAILED, EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { problemText } from '../../gateway/config/schema/problems.ts';
import { examine } from '../../supervisor/doctor/doctor.ts';
import { doctorText } from '../../supervisor/doctor/text.ts';
import { ProfileError } from '../../supervisor/profile/profile.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { kubernetesPlace } from '../../gateway/config/kubernetes-place.ts';
import { systemInput } from '../../gateway/config/system.ts';
import { askSources } from '../../gateway/discovery/ask-sources.ts';
import { sourceStatus } from '../../gateway/http/pages/admin-status.ts';
import { sourceText } from './live/sources-text.ts';
import { cardsOf } from './cards.ts';
import { listedText, lookAtListed } from './looking/listed-workers.ts';
import { readCommandLine } from './line/command-line.ts';

/** `headgate doctor`: 0 when nothing stands in the way of a start, 1 when something does. */
export async function doctor(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('doctor', argv, { tolerant: 'aloud', own: { json: 'switch' } });
  if (line.kind === 'ended') return line.exitCode;
  // A program that hangs is given up by a timer, which alone would not keep us running.
  const alive = stayAlive();
  try {
    const { settings } = line.loaded;
    const { cards, env } = cardsOf(settings, process.env, line.cwd, false);
    const [found, listed] = await Promise.all([
      examine(settings, { cwd: line.cwd, env, clock: systemClock, cards }),
      lookAtListed(settings, systemClock),
    ]);
    // No start takes such settings; what else there is to see is worth seeing all the same.
    const unsound = line.problems.map(problemText);
    const report = unsound.length === 0 ? found : { ...found, ok: false, problems: [...unsound, ...found.problems] };
    const { readFile } = systemInput();
    const kubernetes = kubernetesPlace(settings, process.env, readFile);
    const sources = sourceStatus(await askSources({ clock: systemClock, settings, kubernetes, readFile }));
    const told =
      sources.length === 0 ? '' : ['Workers that are found', ...sources.map((each) => `  ${sourceText(each)}`), '', ''].join('\n');
    const text = line.own.has('json')
      ? `${JSON.stringify({ ...report, sources, listed_workers: listed }, null, 2)}\n`
      : told + doctorText(report) + listedText(listed);
    process.stdout.write(text);
    return report.ok && listed.every(({ ok }) => ok) ? 0 : EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_INVALID;
  } finally {
    alive.cancel();
  }
}
