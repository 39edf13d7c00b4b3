import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { FLAGS } from './flag-table.ts';

/** What vLLM 0.33 has besides, and what 0.32 no longer has. */
const OTHERS = ['monokernel', 'reasoning-effort-map', 'sleep-mode-backend', 'watchdog-config', 'enable-bf16x3-router-gemm'];

const NAMES: ReadonlySet<string> = new Set([...FLAGS.flatMap(([names]) => longNames(names)), ...OTHERS]);

/**
 * Whether a setting, with underscores or dashes, is a flag of any vLLM from 0.27 to 0.33. What stands after a dot is a place in a flag's
 * JSON. vLLM up to 0.32 switches off with --no-x, later ones pair --enable-x with --disable-x.
 */
export function isKnownFlag(setting: string): boolean {
  const name = (setting.split('.')[0] ?? '').replaceAll('_', '-');
  if (NAMES.has(name)) return true;
  const twin = [/^no-(.+)$/.exec(name)?.[1], ...pair(name)];
  return twin.some((each) => each !== undefined && NAMES.has(each));
}

/** Names of those that can be switched off. */
const NEGATABLE: ReadonlySet<string> = new Set(FLAGS.flatMap(([names, kind]) => (kind === 'bool' ? longNames(names) : [])));

/**
 * Whether --no-x is taken for a flag, by its name with dashes. Of a flag that this table does not have its twin in the help of the engine
 * tells (`known`, with their dashes): from 0.33 on --no-enable-x is taken and no longer named, and --disable-x is.
 */
export function isNegatable(name: string, known: ReadonlySet<string> | null): boolean {
  if (NEGATABLE.has(name)) return true;
  const isSwitch = FLAGS.some(([names]) => names.split(' ')[0] === `--${name}`);
  if (known === null) return !isSwitch;
  return known.has(`--no-${name}`) || pair(name).some((twin) => known.has(`--${twin}`));
}

/** A flag may have two, `--gpu-memory-utilization` and `--device-memory-utilization`. */
function longNames(names: string): string[] {
  return names
    .split(' ')
    .filter((name) => name.startsWith('--'))
    .map((name) => name.slice(2));
}

function pair(name: string): string[] {
  const [, verb, rest] = /^(enable|disable)-(.+)$/.exec(name) ?? [];
  return verb === undefined ? [] : [`${verb === 'enable' ? 'disable' : 'enable'}-${rest}`];
}

/** The flag that was most likely meant, spelt as the setting is; null where none is close. */
export function nearestFlag(setting: string): string | null {
  const near = nearestName(setting.split('.')[0] ?? '', NAMES);
  return near !== null && setting.includes('_') ? near.replaceAll('-', '_') : near;
}
