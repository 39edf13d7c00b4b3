import { readKeysFile } from './keys-file.ts';
import type { ClientKeySettings } from './schema/client-keys.ts';
import { crossFindings } from './schema/cross-checks.ts';
import { environmentLayer } from './layers/environment-layer.ts';
import { type FixedSetting, fixedLayer, flagLayer } from './layers/flag-layer.ts';
import { type SettingsFlags, NO_FLAGS } from './layers/flags.ts';
import { type Layer, checkLayer } from './layers/layer.ts';
import { chooseModel, mergeLayers } from './layers/merge.ts';
import { type Origin, type Origins, type Path, isWithin, originWhere, pathText } from './schema/origins.ts';
import { type Finding, SettingsError, type SettingsProblem, problemText, toProblems } from './schema/problems.ts';
import { type ReadFile, settingsFile } from './layers/settings-file.ts';
import { type Settings, settingsSchema } from './schema/settings.ts';
import type { Environment } from './layers/variables.ts';

export interface LoadInput {
  readonly flags?: SettingsFlags;
  readonly env: Environment;
  /** Folder in which `headgate.yaml` and relative paths are looked for. */
  readonly cwd: string;
  readonly readFile: ReadFile;
  /** Values that beat every layer. */
  readonly fixed?: readonly FixedSetting[];
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Keys of clients, those of `auth.keys_file` included. */
  readonly keys: readonly ClientKeySettings[];
  /** Where each value that is not a default comes from. */
  readonly origins: Origins;
  /** The file that was read, as it was named; null when there is none. */
  readonly file: string | null;
  /** One line each. */
  readonly warnings: readonly string[];
}

/**
 * The settings that hold: defaults, beaten by the file, beaten by the environment, beaten by flags.
 * @throws SettingsError with every problem found, and nothing else.
 */
export function loadSettings(input: LoadInput): LoadedSettings {
  const { loaded, problems } = readSettings(input, false);
  if (problems.length > 0) throw new SettingsError(problems);
  return loaded;
}

/**
 * The settings as far as they are sound, for whoever only has to find what runs: what is wrong is told, left out, and stands at its
 * default. Of a file that is no YAML what can still be made out is taken. Never throws.
 */
export function salvageSettings(input: LoadInput): ReadSettings {
  return readSettings(input, true);
}

interface ReadSettings {
  readonly loaded: LoadedSettings;
  /** In the order in which a person would meet them. */
  readonly problems: readonly SettingsProblem[];
}

function readSettings(input: LoadInput, salvage: boolean): ReadSettings {
  const flags = input.flags ?? NO_FLAGS;
  const file = settingsFile(flags.config, input.cwd, input.readFile, input.env, salvage);
  const environment = environmentLayer(input.env);
  const layers = [file.layer, environment.layer, flagLayer(flags), fixedLayer(input.fixed ?? [])];
  const merged = mergeLayers(layers);
  const flagged: Origin = { kind: 'flag', name: '--model' };
  const model = flags.values.get('model')?.[0];
  if (model !== undefined) chooseModel(merged, model, flagged);
  // Each layer is sound by now; --model is what can still be wrong.
  checkLayer(merged, flagged);
  nameModels(merged);

  const settings = settingsSchema.parse(merged.tree) as Settings;
  const everything = [...layers, merged];
  const between = judge(settings, merged, new Set(everything.flatMap((layer) => [...layer.broken])));
  const inSettings = settings.auth.keys;
  const { keys_file: keysFile } = settings.auth;
  const inFile =
    keysFile === null ? null : readKeysFile({ ...input, file: keysFile, namedAt: merged.origins.get('auth.keys_file') }, inSettings);
  const findings = [...everything.flatMap((layer) => layer.findings), ...between.errors, ...(inFile?.findings ?? [])];
  const warnings = [...file.warnings, ...environment.warnings, ...between.warnings, ...(inFile?.warnings ?? [])];
  const keys = [...inSettings, ...(inFile?.keys ?? [])];
  return { loaded: { settings, keys, origins: merged.origins, file: file.name, warnings }, problems: toProblems(findings) };
}

/** What is wrong between settings, told at the first setting involved that somebody set: that change brought the trouble. */
function judge(settings: Settings, merged: Layer, broken: ReadonlySet<string>): { errors: Finding[]; warnings: string[] } {
  const errors: Finding[] = [];
  const warnings: string[] = [];
  const isBroken = (path: Path) => [...broken].some((text) => isWithin(pathText(path), text) || isWithin(text, pathText(path)));
  for (const { severity, path, related, message } of crossFindings(settings)) {
    const involved = [path, ...related];
    if (involved.some(isBroken)) continue;
    const at = involved.find((each) => merged.origins.has(pathText(each))) ?? path;
    const origin: Origin = merged.origins.get(pathText(at)) ?? { kind: 'default' };
    if (severity === 'error') errors.push({ origin, path: at, message });
    // A default that another setting makes pointless is no mistake of anybody's.
    else if (at === path) warnings.push(problemText({ where: originWhere(origin), path: pathText(at), message }));
  }
  return { errors, warnings };
}

/** An entry of `models` that is only an id becomes a group; its id comes from where the entry did. */
function nameModels({ tree, origins }: Layer): void {
  for (const [i, entry] of ((tree.models ?? []) as readonly unknown[]).entries()) {
    const origin = origins.get(`models[${i}]`);
    if (typeof entry === 'string' && origin) origins.set(`models[${i}].id`, origin);
  }
}
