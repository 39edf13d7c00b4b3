import { assemble, type Part } from '../../../gateway/bundle/assemble.ts';
import { KIB, OnRecord, setUpParts } from '../../../gateway/bundle/common-parts.ts';
import type { Pace } from '../../../gateway/bundle/pace.ts';
import { failuresPart, troublesIn } from '../../../gateway/bundle/state-folder.ts';
import { type FailureSaid, failureSaid, troublesSaid } from '../../../gateway/bundle/summary.ts';
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

/** What only a gateway that answers can say. */
const OF_A_GATEWAY = ['status', 'stats', 'runtime', 'canary', 'supervisor', 'stores', 'gateway_log', 'metrics'].map((part) => ({
  part,
  why: part === 'gateway_log' ? 'no gateway has answered: its last lines are in kept_logs, where they are kept' : 'no gateway has answered',
}));

/** The text of a bundle where no gateway answers: what is on record in the state folder, and what can be seen from outside. */
export async function leftBehind({ loaded, stateDir, env, why, seen, clock, veil, pace }: LeftBehind): Promise<string> {
  const onRecord = new OnRecord(stateDir, veil, pace);
  const parts: Part[] = [
    { name: 'made_without_gateway', bytes: 4 * KIB, make: () => veil.text(why) },
    { name: 'versions', bytes: 4 * KIB, make: () => ({ headgate: VERSION, node: process.versions.node }) },
    ...setUpParts(loaded, env, veil),
    { name: 'seen_here', bytes: 384 * KIB, make: () => seen },
    ...onRecord.events(),
    onRecord.engineLogs(),
    onRecord.keptLogs(),
  ];
  return assemble(parts, summary, veil, clock, pace, OF_A_GATEWAY);

  function summary(): string[] {
    const problems = (seen.doctor as { readonly problems?: readonly string[] }).problems ?? [];
    const { past } = onRecord;
    const failures = past === null ? [] : failuresPart(past, veil);
    return [
      'No gateway has answered: this is made of what is on record in the state folder. "left_out" says what is missing.',
      ...(seen.settings_problems.length > 0 ? [`The settings do not hold: ${seen.settings_problems.join('; ')}`] : []),
      ...problems.map((problem) => `The doctor says: ${problem}`),
      ...failures.map(({ worker, failure }) => `${String(worker)} ${failureSaid(failure as FailureSaid)}.`),
      ...troublesSaid(troublesIn(past, clock.wall(), veil)),
      ...(past?.entries.length === 0 ? ['Nothing is on record: is this the folder in which Headgate runs?'] : []),
    ];
  }
}
