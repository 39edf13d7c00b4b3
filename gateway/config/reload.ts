import { isDeepStrictEqual } from 'node:util';
import type { FixedSetting } from './layers/flag-layer.ts';
import type { LoadedSettings } from './load.ts';
import { launchable, type ModelSettings, type Settings, supervisorIsOn } from './schema/settings.ts';
import { SETTINGS } from './schema/form.ts';
import { problemText, SettingsError, type SettingsProblem } from './schema/problems.ts';

/** What comes of reading the settings anew. */
export type Reload =
  | { readonly ok: true; readonly loaded: LoadedSettings; readonly changed: readonly string[]; readonly needsRestart: readonly string[] }
  /** The old ones stay; what is wrong with the new ones, a line each. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** What came of a reload, or of a trial, for those who asked. */
export interface ReloadAnswer {
  readonly ok: boolean;
  readonly changed: readonly string[];
  readonly needsRestart: readonly string[];
  /** What is wrong with the new settings, a line each. */
  readonly problems: readonly string[];
}

export function reloadAnswer(read: Reload): ReloadAnswer {
  return read.ok
    ? { ok: true, changed: read.changed, needsRestart: read.needsRestart, problems: [] }
    : { ok: false, changed: [], needsRestart: [], problems: read.problems };
}

/** How settings are to be read, if otherwise than from all their places. */
export interface LoadWish {
  /** Values that beat every layer for a while. */
  readonly tried: readonly FixedSetting[];
  /** false: files are as they were when settings were last taken from them. */
  readonly afresh: boolean;
}

/** How settings are read anew. */
export interface Reading {
  /** @throws SettingsError */
  readonly load: (wish?: LoadWish) => LoadedSettings;
  /** The files are remembered as they were read last: what was read of them holds from now on. */
  readonly keep?: (() => void) | undefined;
  /** What is wrong with them beyond what reading them shows: what they name is not there. */
  readonly examine?: ((loaded: LoadedSettings) => readonly SettingsProblem[]) | undefined;
}

/** Reads the settings anew, and says what would hold from now on. Changes nothing, and never throws. */
export function readAnew(before: LoadedSettings, { load, examine }: Reading): Reload {
  let next: LoadedSettings;
  try {
    next = load();
    const problems = examine?.(next) ?? [];
    if (problems.length > 0) return { ok: false, problems: problems.map(problemText) };
  } catch (error) {
    if (error instanceof SettingsError) return { ok: false, problems: error.problems.map(problemText) };
    // Nothing that is wrong with a file is worth the streams that run.
    return { ok: false, problems: [`The settings could not be examined: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const doubt = doubtful(before, next);
  if (doubt !== null) return { ok: false, problems: [doubt] };
  const { changed, needsRestart } = diffSettings(before.settings, next.settings);
  return { ok: true, loaded: { ...next, settings: settingsAfterReload(before.settings, next.settings) }, changed, needsRestart };
}

/** What a reload brings, as dotted paths in the order of the schema. */
interface SettingsDiff {
  /** Every setting that differs. */
  readonly changed: readonly string[];
  /** Those among `changed` that hold only after a restart. */
  readonly needsRestart: readonly string[];
}

/** Settings that are read once, when the process starts. Groups or single settings; every other one changes live. */
const READ_AT_START: readonly string[] = [
  'server.host',
  'server.port',
  'server.probe_port',
  'server.processes',
  'server.header_timeout_ms',
  'admin.host',
  'admin.port',
  'state.url',
  'state.prefix',
  'state.gateways',
  'database',
  'files.dir',
  'batches.enabled',
  'supervisor',
  'log.format',
  'log.keep_mb',
  'telemetry',
];

/** Compares settings that hold with settings just loaded. Pure. */
export function diffSettings(old: Settings, next: Settings): SettingsDiff {
  const changed: string[] = [];
  const needsRestart: string[] = [];
  for (const { path } of SETTINGS.root.leaves()) {
    const text = path.join('.');
    if (isDeepStrictEqual(valueAt(old, path), valueAt(next, path))) continue;
    if (text === 'models') {
      const models = diffModels(old, next);
      changed.push(...models.changed);
      needsRestart.push(...models.needsRestart);
      continue;
    }
    changed.push(text);
    if (readAtStart(text) || (text === 'workers' && programsChange(old, next))) needsRestart.push(text);
  }
  return { changed, needsRestart };
}

/** The settings that hold after a reload without a restart: what changes live is new, the rest stays as it was. */
export function settingsAfterReload(old: Settings, next: Settings): Settings {
  const result = structuredClone(next) as unknown as Record<string, unknown>;
  for (const { path } of SETTINGS.root.leaves()) {
    const text = path.join('.');
    if (readAtStart(text) || (text === 'workers' && programsChange(old, next))) setAt(result, path, structuredClone(valueAt(old, path)));
  }
  // Aliases of another set of models could clash with those that stay.
  if (diffModels(old, next).needsRestart.length > 0) result.models = structuredClone(old.models);
  return result as unknown as Settings;
}

/** Listing the first worker, or taking the last one out, turns the supervisor off or on: that is another set of programs. */
function programsChange(old: Settings, next: Settings): boolean {
  return supervisorIsOn(old) !== supervisorIsOn({ ...next, supervisor: { ...next.supervisor, enabled: old.supervisor.enabled } });
}

function diffModels({ models: old }: Settings, { models: next, ...rest }: Settings): SettingsDiff {
  const bare = (models: readonly ModelSettings[]) =>
    launchable({ models }).map((model) => ({ ...model, aliases: [], fallback: [], resume: null }));
  // In front of external workers nothing has to be launched for a model.
  if (!isDeepStrictEqual(bare(old), bare(next)))
    return { changed: ['models'], needsRestart: supervisorIsOn({ models: next, ...rest }) ? ['models'] : [] };
  // Pools are nothing but names, which come and go.
  if (!isDeepStrictEqual(namesOf(old), namesOf(next))) return { changed: ['models'], needsRestart: [] };
  const changed = next.flatMap((model, i) => {
    const differs = (['aliases', 'pool', 'fallback', 'resume'] as const).filter((part) => !isDeepStrictEqual(model[part], old[i]![part]));
    return differs.map((part) => `models[${i}].${part}`);
  });
  return { changed, needsRestart: [] };
}

/** Which there are, in their order, and what each is. */
function namesOf(models: readonly ModelSettings[]): (string | boolean)[] {
  return models.flatMap(({ id, pool }) => [id, pool !== null]);
}

function readAtStart(text: string): boolean {
  return READ_AT_START.some((known) => text === known || text.startsWith(`${known}.`));
}

function valueAt(settings: Settings, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], settings);
}

function setAt(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const group = path.slice(0, -1).reduce((each, step) => each[step] as Record<string, unknown>, tree);
  group[path.at(-1)!] = value;
}

/**
 * Why settings just loaded are not to be believed: a file that set something and now sets nothing is gone, or was read while it was being
 * written, and the defaults would take an admin key away with everything else. null where nothing is wrong.
 */
export function doubtful(before: LoadedSettings, next: LoadedSettings): string | null {
  if (before.file === null || !setsAnything(before) || setsAnything(next)) return null;
  return next.file === null
    ? `${before.file} is not there any more`
    : `${before.file} sets nothing any more; to go back to the defaults, restart`;
}

function setsAnything({ origins }: LoadedSettings): boolean {
  for (const origin of origins.values()) if (origin.kind === 'file') return true;
  return false;
}
