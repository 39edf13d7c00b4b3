import { EXIT_FAILED, EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { isWithin, type Origins } from '../../gateway/config/schema/origins.ts';
import { problemText } from '../../gateway/config/schema/problems.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { examine } from '../../supervisor/doctor/doctor.ts';
import { examineGateway, launchesNothing } from '../../supervisor/doctor/gateway.ts';
import { doctorText, type Section } from '../../supervisor/doctor/text.ts';
import { ProfileError } from '../../supervisor/profile/profile.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import type { StoreState } from '../../gateway/core/events.ts';
import { kubernetesPlace } from '../../gateway/config/kubernetes-place.ts';
import { systemInput } from '../../gateway/config/system.ts';
import { askSources } from '../../gateway/discovery/ask-sources.ts';
import { sourceStatus } from '../../gateway/http/pages/admin-status.ts';
import { cardsOf } from './cards.ts';
import { askStore, storeTroubles } from './looking/ask-store.ts';
import { callLines } from './looking/calls-text.ts';
import { lookAtWorkers } from './looking/look-at-workers.ts';
import { unservedIn } from './looking/unserved.ts';
import { type Looked, workerLines, workerTroubles } from './looking/workers-text.ts';
import { readCommandLine } from './line/command-line.ts';

/**
 * `headgate doctor`: 0 when nothing stands in the way of a start, 1 when something does: of an engine here, or of the workers and the store
 * that the settings name.
 */
export async function doctor(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('doctor', argv, { tolerant: 'aloud', own: { json: 'switch' } });
  if (line.kind === 'ended') return line.exitCode;
  // A program that hangs is given up by a timer, which alone would not keep us running.
  const alive = stayAlive();
  try {
    const { settings } = line.loaded;
    const isGateway = launchesNothing(settings);
    const isOnlyGateway = isGateway && !asksOfEngines(line.loaded.origins);
    const { cards, env } = cardsOf(settings, process.env, line.cwd, false);
    const { readFile } = systemInput();
    const kubernetes = kubernetesPlace(settings, process.env, readFile);
    const look = async (): Promise<Looked> => {
      const { sources, listings } = await askSources({ clock: systemClock, settings, kubernetes, readFile });
      const staying = listings.filter(({ isEnding }) => isEnding !== true);
      return { sources, workers: await lookAtWorkers(staying, settings.timeouts, systemClock) };
    };
    const [found, looked, store] = await Promise.all([
      isOnlyGateway ? examineGateway(settings, line.cwd) : examine(settings, { cwd: line.cwd, env, clock: systemClock, cards }),
      look(),
      askStore(settings.state, systemClock),
    ]);
    const troubles = workerTroubles(looked);
    const problems = [
      // No start takes such settings; what else there is to see is worth seeing all the same.
      ...line.problems.map(problemText),
      ...found.problems,
      ...troubles.problems,
      ...(isGateway ? unservedIn(settings, looked) : []),
      ...storeTroubles(store, settings.state),
    ];
    const report = { ...found, ok: problems.length === 0, problems, warnings: [...found.warnings, ...troubles.warnings] };
    process.stdout.write(line.own.has('json') ? jsonOf(report, looked, store) : doctorText(report, beside(settings, looked)));
    return report.ok ? 0 : EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_INVALID;
  } finally {
    alive.cancel();
  }
}

/** Whether a flag of this command line is about engines, such as --profile l4: then what one would be is to be seen wherever it is asked. */
function asksOfEngines(origins: Origins): boolean {
  const isAbout = (path: string) => isWithin(path, 'models') || (isWithin(path, 'supervisor') && path !== 'supervisor.state_dir');
  return [...origins].some(([path, { kind }]) => kind === 'flag' && isAbout(path));
}

function jsonOf(report: object, { sources, workers }: Looked, store: StoreState | null): string {
  const listed = workers.filter(({ source }) => source === null);
  const found = workers.filter(({ source }) => source !== null);
  const about = store && { server: store.server, answers: store.isUp };
  const body = { ...report, sources: sourceStatus(sources), listed_workers: listed, found_workers: found, store: about };
  return `${JSON.stringify(body, null, 2)}\n`;
}

/** What the settings name beside what is launched here. */
function beside(settings: Settings, looked: Looked): Section[] {
  return [
    { title: 'Workers', lines: workerLines(looked) },
    { title: 'Calls', lines: callLines(settings) },
  ].filter(({ lines }) => lines.length > 0);
}
