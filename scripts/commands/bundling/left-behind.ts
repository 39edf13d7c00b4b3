import { assemble, type Part } from '../../../gateway/bundle/assemble.ts';
import { keptLogsPart } from '../../../gateway/bundle/kept-logs.ts';
import { machinePart } from '../../../gateway/bundle/machine.ts';
import type { Pace } from '../../../gateway/bundle/pace.ts';
import { settingsPart } from '../../../gateway/bundle/settings-part.ts';
import { engineLogsPart, failuresPart, historyPart, readPast, troublesIn } from '../../../gateway/bundle/state-folder.ts';
import type { Veil } from '../../../gateway/bundle/veil/veil.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { Clock } from '../../../gateway/core/clock.ts';
import { VERSION } from '../../../gateway/core/version.ts';

interface LeftBehind {
  readonly loaded: LoadedSettings;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Why no gateway was asked, or none has answered. */
  readonly why: string;
  readonly seen: { readonly doctor: unknown; readonly settings_problems: readonly string[] };
  readonly clock: Clock;
  readonly veil: Veil;
  readonly pace: Pace;
}

const KIB = 1024;
/** What only a gateway that answers can say. */
const OF_A_GATEWAY = ['status', 'stats', 'runtime', 'supervisor', 'stores', 'gateway_log', 'metrics'].map((part) => ({
  part,
  why: part === 'gateway_log' ? 'no gateway has answered: its last lines are in kept_logs, where they are kept' : 'no gateway has answered',
}));

/** The text of a bundle where no gateway answers: what is on record in the state folder, and what can be seen from outside. */
export async function leftBehind({ loaded, stateDir, env, why, seen, clock, veil, pace }: LeftBehind): Promise<string> {
  const past = await readPast(stateDir, pace);
  const failures = failuresPart(past, veil);
  const parts: Part[] = [
    { name: 'made_without_gateway', bytes: 4 * KIB, make: () => veil.text(why) },
    { name: 'versions', bytes: 4 * KIB, make: () => ({ headgate: VERSION, node: process.versions.node }) },
    { name: 'machine', bytes: 8 * KIB, make: () => machinePart(env) },
    { name: 'settings', bytes: 384 * KIB, make: () => settingsPart(loaded, veil) },
    { name: 'settings_check', bytes: 32 * KIB, make: () => ({ warnings: loaded.warnings.map((warning) => veil.text(warning)) }) },
    { name: 'seen_here', bytes: 384 * KIB, make: () => seen },
    { name: 'last_failures', bytes: 64 * KIB, make: () => failures },
    { name: 'history', bytes: 640 * KIB, make: () => historyPart(past, veil, pace) },
    { name: 'engine_logs', bytes: 1_280 * KIB, make: () => engineLogsPart(stateDir, veil, pace) },
    { name: 'kept_logs', bytes: 640 * KIB, make: () => keptLogsPart(stateDir, veil, pace) },
  ];
  return assemble(parts, summary, veil, clock, pace, OF_A_GATEWAY);

  function summary(): string[] {
    const problems = (seen.doctor as { readonly problems?: readonly string[] }).problems ?? [];
    const troubles = [...troublesIn(past, clock.wall())].map(([name, count]) => `${name} (${count})`);
    return [
      'No gateway has answered: this is made of what is on record in the state folder. "left_out" says what is missing.',
      ...(seen.settings_problems.length > 0 ? [`The settings do not hold: ${seen.settings_problems.join('; ')}`] : []),
      ...problems.map((problem) => `The doctor says: ${problem}`),
      ...failures.map(({ worker, failure }) => `${String(worker)} failed last with ${wordsOf(failure)}.`),
      ...(troubles.length > 0 ? [`Warnings and errors on record of the last day: ${troubles.join(', ')}.`] : []),
      ...(past.entries.length === 0 ? ['Nothing is on record: is this the folder in which Headgate runs?'] : []),
    ];
  }
}

function wordsOf(failure: unknown): string {
  const { class: name, phase, advice } = failure as Readonly<Record<string, string>>;
  return `${name} at ${phase}${advice === '' ? '' : ` (${advice})`}`;
}
