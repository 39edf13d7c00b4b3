import { resolve } from 'node:path';
import { systemClock } from '../../../gateway/core/clock.ts';
import { EXIT_INVALID, EXIT_USAGE } from '../../../gateway/config/exit-codes.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { type Settings, supervisorIsOn } from '../../../gateway/config/schema/settings.ts';
import { isAnswered } from '../../../gateway/link/ask-state.ts';
import { controlPath } from '../../../gateway/link/control-path.ts';
import { examine } from '../../../supervisor/doctor/doctor.ts';
import { VLLM_CACHE_FILE } from '../../../supervisor/engine/vllm-install.ts';
import { isKnownFlag, nearestFlag } from '../../../supervisor/flags/known-flags.ts';
import type { CardSurveyor } from '../../../supervisor/gpu/pretended.ts';
import { ownProfiles, profileFolders } from '../../../supervisor/profile/folders.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { ProgramError } from '../../program/program-error.ts';
import type { Axis } from '../grid/axes.ts';
import { quickGrid, USUAL_GRID } from '../grid/axes.ts';
import type { TuneOptions } from './options.ts';
import { overlayName, type OverlaySubject } from './overlay.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What looks at this machine's cards, as every command does. */
export type CardsOf = (settings: Settings, env: Env, cwd: string, shared: boolean) => { readonly cards: CardSurveyor; readonly env: Env };

/** What is to be tuned, and where. */
export interface Ground {
  readonly cwd: string;
  readonly axes: readonly Axis[];
  readonly subject: OverlaySubject;
  readonly tuning: string;
  readonly engine: 'vllm' | 'sim';
  readonly engineVersion: string | null;
  /** In words. */
  readonly cards: readonly string[];
  /** The operator's own profiles, which every point sees too; null: none. */
  readonly ownProfiles: string | null;
  /** Where `--tuning` looks for one of the operator's own, and what the one that comes out is called. */
  readonly tuningFolder: string;
  readonly tuningName: string;
  /** What vLLM was once asked, so that not every point asks it again. */
  readonly vllmCache: string;
  /** How long a start may take, in milliseconds. */
  readonly startTimeoutMs: number;
}

/** Looks at everything that a start depends on, and starts nothing. @throws ProgramError in words; ProfileError for profiles that are wrong */
export async function lookAround({ settings }: LoadedSettings, options: TuneOptions, cwd: string, cardsOf: CardsOf): Promise<Ground> {
  if (!supervisorIsOn(settings))
    throw invalid(
      'These settings list workers that others run, or have the supervisor off: tune launches what it measures. Give it settings of its own with --config.',
    );
  const control = controlPath(settings, cwd);
  if (await isAnswered(control))
    throw invalid(
      `A supervisor runs in this folder (${control}) and holds the card that every point needs for itself. Stop it first: Ctrl-C of "headgate serve", or "headgate supervise --stop".`,
    );
  const { cards, env } = cardsOf(settings, process.env, cwd, false);
  // Each point listens elsewhere.
  const report = await examine({ ...settings, server: { ...settings.server, port: 0 } }, { cwd, env, clock: systemClock, cards });
  const { directory, leftovers } = report.state;
  if (leftovers.length > 0)
    throw invalid(
      `Engines of an earlier run are still there (processes ${leftovers.join(', ')}) and hold memory of the card: "headgate serve" here takes them over, and its Ctrl-C ends them.`,
    );
  const model = report.models.find(({ wanted }) => wanted);
  if (!model?.source || report.problems.length > 0)
    throw invalid(
      `Nothing can be launched here as it is; "headgate doctor" says more. ${[...report.problems, ...(model?.source ? [] : (model?.notes ?? []))].join(' ')}`,
    );
  const profiles = loadProfiles(...profileFolders(settings, cwd));
  const gpu = model.profile ?? report.profile.name;
  const base = profiles.tunings.get(settings.supervisor.tuning);
  if (!base) throw invalid(`supervisor.tuning: there is no tuning ${settings.supervisor.tuning}`);
  const own = ownProfiles(settings, cwd);
  const tuningName = options.name ?? overlayName(model.id, gpu);
  const namesake = profiles.tunings.get(tuningName);
  if (namesake && namesake.measured === undefined)
    throw new ProgramError(
      `There is a tuning ${tuningName} (${namesake.title}) that "headgate tune" has not written, and would lay its own over: give another --name.`,
      EXIT_USAGE,
    );
  return {
    cwd,
    axes: axesFor(options, profiles.gpus.get(gpu)?.tune ?? {}, settings, model.id),
    subject: {
      model: model.id,
      gpu,
      source: model.source,
      base,
      usual: Object.fromEntries(model.flags.map(({ flag, value }) => [flag, value])),
    },
    tuning: settings.supervisor.tuning,
    engine: report.engine.kind,
    engineVersion: report.engine.kind === 'vllm' ? (report.vllm?.version ?? null) : null,
    cards: report.gpus.map(({ name, simulated }) => (simulated ? `${name} (simulated)` : name)),
    ownProfiles: own,
    tuningName,
    tuningFolder: resolve(own ?? resolve(cwd, settings.supervisor.state_dir, '..', 'profiles'), 'tuning'),
    vllmCache: resolve(directory, VLLM_CACHE_FILE),
    startTimeoutMs: settings.supervisor.start_timeout_ms,
  };
}

function axesFor(
  { axes: asked, quick }: TuneOptions,
  range: Readonly<Record<string, readonly number[]>>,
  settings: Settings,
  model: string,
): readonly Axis[] {
  const ofProfile = Object.entries(range).map(([flag, values]) => ({ flag, values: values.toSorted((a, b) => a - b) }));
  const usual = ofProfile.length > 0 ? ofProfile : USUAL_GRID;
  const axes = asked.length > 0 ? asked : quick ? quickGrid(usual) : usual;
  const own = settings.models.find(({ id }) => id === model)?.engine ?? {};
  for (const { flag } of axes) {
    if (!isKnownFlag(flag)) {
      const near = nearestFlag(flag);
      throw invalid(
        `--grid: vLLM has no flag --${flag.replaceAll('_', '-')}${near === null ? '' : `; did you mean ${near.replaceAll('_', '-')}?`}`,
      );
    }
    if (Object.keys(own).some((key) => key.replaceAll('-', '_') === flag))
      throw invalid(
        `models[].engine of ${model} sets ${flag}, which goes before every tuning: take it out of the settings, or ${flag} out of the grid.`,
      );
  }
  return axes;
}

/** Another start would end in the same way. */
function invalid(message: string): ProgramError {
  return new ProgramError(message, EXIT_INVALID);
}
