import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
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

/** Engine flags in the settings that no vLLM has, as far as is known. `isSure`: one is so near that it must have been meant. */
export function unknownFlags({ models }: Settings): (SettingsFinding & { readonly isSure: boolean })[] {
  return models.flatMap(({ engine }, index) =>
    Object.keys(engine).flatMap((key) => {
      const name = key.replaceAll('-', '_');
      if (name === GPU_MODE || isKnownFlag(key) || removedSettings({ [key]: null }, null).length > 0) return [];
      return [{ path: ['models', index, 'engine', key], message: unknownFlag(key), isSure: nearestFlag(key) !== null }];
    }),
  );
}

function hint(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  return near === null ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
}
