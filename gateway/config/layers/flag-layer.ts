import { type SettingsFlags, SETTINGS_FLAGS } from './flags.ts';
import { type Layer, checkLayer, emptyLayer, setValue } from './layer.ts';
import { readSettingText } from '../schema/setting-text.ts';

/** A value that the command itself fixes, whatever the other layers say: `headgate gateway` turns the supervisor off. */
export interface FixedSetting {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Named as the origin of the value. */
  readonly by: string;
}

/** What flags set, all but `--model`: that one picks from what the other layers list (`chooseModel`). */
export function flagLayer(flags: SettingsFlags): Layer {
  const layer = emptyLayer();
  for (const { name, path } of SETTINGS_FLAGS) {
    const texts = flags.values.get(name);
    if (!texts || path === null || name === 'model') continue;
    const value = name === 'worker' ? texts.map((url) => ({ url })) : readSettingText(layer.form.root.at(path)!, texts[0]!);
    setValue(layer, path, value, { kind: 'flag', name: `--${name}` });
  }
  checkLayer(layer, { kind: 'flag', name: '--' });
  return layer;
}

export function fixedLayer(fixed: readonly FixedSetting[]): Layer {
  const layer = emptyLayer();
  for (const { path, value, by } of fixed) setValue(layer, path, value, { kind: 'command', name: by });
  checkLayer(layer, { kind: 'command', name: 'headgate' });
  return layer;
}
