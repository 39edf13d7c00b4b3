import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import type { EngineValue, Settings } from '../../gateway/config/schema/settings.ts';
import { fixedFlag } from '../engine/flags.ts';
import { wrongValue } from '../flags/flag-values.ts';
import { isKnownFlag, nearestFlag } from '../flags/known-flags.ts';
import { GPU_MODE } from '../profile/mode.ts';
import type { ReadProfiles } from '../profile/profile.ts';
import { unknownFlag } from '../profile/profile.ts';
import { removedSettings } from '../profile/removed-flags.ts';
import { unknownModels } from './model-request.ts';

export interface SettingsFinding {
  readonly path: Path;
  readonly message: string;
}

/** Names in the settings that no profile has: all of them. One whose profile is there and broken is told by its file. */
export function missingNames({ supervisor, models }: Settings, { profiles, broken }: ReadProfiles): SettingsFinding[] {
  const findings: SettingsFinding[] = [];
  const look = (setting: 'profile' | 'tuning', kind: 'gpu' | 'tuning', names: Iterable<string>) => {
    const name = supervisor[setting];
    // What is there and broken is what may have been meant.
    const known = [...names, ...[...broken].filter((place) => place.startsWith(`${kind}/`)).map((place) => place.slice(kind.length + 1))];
    if ((setting === 'profile' && name === 'auto') || known.includes(name)) return;
    findings.push({ path: ['supervisor', setting], message: `there is no ${name}; ${hint(name, known)}` });
  };
  look('profile', 'gpu', profiles.gpus.keys());
  look('tuning', 'tuning', profiles.tunings.keys());
  for (const { index, message } of unknownModels(models, profiles))
    if (!broken.has(`models/${models[index]?.id ?? ''}`)) findings.push({ path: ['models', index, 'id'], message });
  return findings;
}

export interface FlagFinding extends SettingsFinding {
  /** Of its model, in the settings. */
  readonly index: number;
  readonly key: string;
  /** It is a mistake and not only doubtful. */
  readonly isSure: boolean;
}

/** Everything that is wrong with the engine flags in the settings whatever vLLM is installed, each at its own place. */
export function wrongFlags({ models }: Settings): FlagFinding[] {
  return models.flatMap(({ engine }, index) =>
    Object.entries(engine).flatMap(([key, value]) => {
      const found = wrongFlag(key, value);
      return found === null ? [] : [{ path: ['models', index, 'engine', key], index, key, ...found }];
    }),
  );
}

function wrongFlag(key: string, value: EngineValue): { readonly message: string; readonly isSure: boolean } | null {
  const fixed = fixedFlag(key, value);
  if (fixed !== null) return { message: fixed, isSure: true };
  const [removed] = removedSettings({ [key]: value }, null);
  if (removed !== undefined) return { message: removed, isSure: true };
  if (key.replaceAll('-', '_') === GPU_MODE) return null;
  // `isSure`: one is so near that it must have been meant.
  if (!isKnownFlag(key)) return { message: unknownFlag(key), isSure: nearestFlag(key) !== null };
  return wrongValue(key, value);
}

function hint(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  return near === null ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
}
