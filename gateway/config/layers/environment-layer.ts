import { SETTINGS_FLAGS } from './flags.ts';
import { type Layer, checkLayer, emptyLayer, setValue } from './layer.ts';
import { nearestName } from '../schema/nearest-name.ts';
import type { Origin } from '../schema/origins.ts';
import { readSettingText } from '../schema/setting-text.ts';
import type { Environment } from './variables.ts';

const PREFIX = 'HEADGATE_';

/** The variable that sets a setting: `['log', 'level']` is `HEADGATE_LOG__LEVEL`. */
export function variableName(path: readonly string[]): string {
  return PREFIX + path.join('__').toUpperCase();
}

/**
 * What the environment sets, and what in it only looks like a setting. A name with a double underscore must be a setting; other
 * `HEADGATE_*` names are left alone, because Kubernetes makes some for a service called headgate (`HEADGATE_PORT=tcp://…`), with a
 * warning where a setting was plainly meant. A variable that is set but empty counts as not set, which is what compose files make of a
 * variable they pass on.
 */
export function environmentLayer(env: Environment): { layer: Layer; warnings: string[] } {
  const layer = emptyLayer();
  const { root } = layer.form;
  const warnings: string[] = [];
  const names = root.leaves().map(({ path }) => variableName(path));
  for (const [name, text] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const origin: Origin = { kind: 'environment', name };
    const path = name.slice(PREFIX.length).toLowerCase().split('__');
    const place = root.at(path);
    if (place && place.kind !== 'group' && variableName(path) === name) {
      setValue(layer, path, readSettingText(place, text), origin);
    } else if (place?.kind === 'group') {
      const inside = (place.names ?? []).map((each) => variableName([...path, each]));
      layer.findings.push({ origin, path, message: `is a group of settings; set one of ${inside.join(', ')}` });
    } else if (path.length > 1) {
      layer.findings.push({ origin, path: [], message: unknownVariable(path, name, names) });
    } else {
      const meant = nearSetting(name, names);
      if (meant && !/^(tcp|udp|sctp):\/\//.test(text)) warnings.push(`environment ${name}: is no setting; did you mean ${meant}?`);
    }
  }
  checkLayer(layer, { kind: 'environment', name: PREFIX });
  return { layer, warnings };
}

/** The variable that was meant by one without a double underscore: `HEADGATE_SERVER_PORT`, or a flag's name as in `HEADGATE_PORT`. */
function nearSetting(name: string, names: readonly string[]): string | null {
  const flag = SETTINGS_FLAGS.find((each) => name === PREFIX + each.name.replaceAll('-', '_').toUpperCase());
  if (flag?.path) return variableName(flag.path);
  return names.find((known) => known.replaceAll('__', '_') === name) ?? null;
}

function unknownVariable(path: readonly string[], name: string, names: readonly string[]): string {
  const list = path[0] === 'workers' || path[0] === 'models' ? path[0] : null;
  if (list)
    return `${variableName([list])} is set as a whole, as a list: ${list === 'models' ? '[a, b]' : "[{url: 'http://10.0.0.5:8000'}]"}`;
  const near = nearestName(name, names);
  return near === null ? 'no such setting; headgate explain lists them all' : `no such setting; did you mean ${near}?`;
}
