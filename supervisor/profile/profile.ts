import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Layer } from '../../gateway/config/layers/layer.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { Origins, Path } from '../../gateway/config/schema/origins.ts';
import { type Finding, problemText, type SettingsProblem, toProblems } from '../../gateway/config/schema/problems.ts';
import type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';
import { gpuSchema, modelSchema, tuningSchema } from './schema.ts';
import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { wrongValue } from '../flags/flag-values.ts';
import { isKnownFlag, nearestFlag } from '../flags/known-flags.ts';
import { GPU_MODE } from './mode.ts';
import { flagOf, removedSettings, removedVariables } from './removed-flags.ts';
import { findingAt, readProfileFiles, type ProfileFile } from './profile-file.ts';

export type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';

export interface Profiles {
  readonly gpus: ReadonlyMap<string, GpuProfile>;
  readonly tunings: ReadonlyMap<string, Tuning>;
  readonly models: ReadonlyMap<string, ModelProfile>;
  /** Where values stand, by the profile's place under `profiles/` without its ending, such as `gpu/t4`. */
  readonly origins?: ReadonlyMap<string, Origins>;
}

/** A setting names a profile or model that is not there, or profile files are wrong: then `problems` are theirs. Exit code 64. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
  readonly problems: readonly SettingsProblem[];

  constructor(message: string, problems: readonly SettingsProblem[] = []) {
    super(message);
    this.problems = problems;
  }
}

export interface ReadProfiles {
  /** The sound ones. */
  readonly profiles: Profiles;
  readonly problems: readonly SettingsProblem[];
  /** Flags in them that no vLLM has, as far as is known; such a profile works without. */
  readonly unknownFlags: readonly SettingsProblem[];
  /** By place, such as `gpu/t4`: those that are there and of no use. */
  readonly broken: ReadonlySet<string>;
}

/** Reads and checks every profile of these folders, later ones laid over earlier ones. Default: those of the package. */
export function readProfiles(folders: readonly string[] = [profilesDirectory()]): ReadProfiles {
  const [first = profilesDirectory(), ...others] = folders;
  const findings: Finding[] = [];
  const gpus = readProfileFiles([first, ...others], 'gpu', gpuSchema, findings);
  const tunings = readProfileFiles([first, ...others], 'tuning', tuningSchema, findings);
  const models = readProfileFiles([first, ...others], 'models', modelSchema, findings);
  const origins = new Map(
    [...placed('gpu', gpus.files), ...placed('tuning', tunings.files), ...placed('models', models.files)].map(({ place, layer }) => [
      place,
      layer.origins,
    ]),
  );
  const profiles: Profiles = { gpus: byName(gpus.files), tunings: byName(tunings.files), models: byName(models.files), origins };
  const unknown: Finding[] = [];
  // A profile that cannot be read is not one that is missing.
  const isThere = (known: ReadonlyMap<string, unknown>, broken: ReadonlySet<string>): Known => ({
    has: (name) => known.has(name) || broken.has(name),
    names: [...known.keys()],
  });
  const [knownGpus, knownModels] = [isThere(profiles.gpus, gpus.broken), isThere(profiles.models, models.broken)];
  for (const file of gpus.files) {
    findings.push(...gpuFindings(file, knownModels));
    for (const { at, engine } of engineLayers(file.profile)) unknown.push(...unknownIn(file, at, engine));
  }
  for (const file of tunings.files) {
    findings.push(...removedIn(file, ['engine'], file.profile.engine));
    // Most of what a tuning says is a rule for what the profile has, and no value.
    const values = Object.entries(file.profile.engine).map(([key, rule]) => [key, 'set' in rule ? (rule.set as EngineValue) : null]);
    unknown.push(...unknownIn(file, ['engine'], Object.fromEntries(values) as EngineSettings));
  }
  for (const file of models.files) {
    findings.push(...modelFindings(file, knownGpus));
    unknown.push(...unknownIn(file, ['engine'], file.profile.engine));
    for (const [gpu, { engine }] of Object.entries(file.profile.on)) unknown.push(...unknownIn(file, ['on', gpu, 'engine'], engine));
  }
  const broken = [...named('gpu', gpus.broken), ...named('tuning', tunings.broken), ...named('models', models.broken)];
  return { profiles, problems: toProblems(findings), unknownFlags: toProblems(unknown), broken: new Set(broken) };
}

/** The same where nothing is wrong. @throws ProfileError with every problem found, each with its file, line and column */
export function loadProfiles(...folders: readonly string[]): Profiles {
  const { profiles, problems } = readProfiles(folders.length === 0 ? undefined : folders);
  if (problems.length === 0) return profiles;
  throw new ProfileError(problems.map(problemText).join('\n'), problems);
}

/** What is said to be there, sound or not. */
interface Known {
  has(name: string): boolean;
  readonly names: readonly string[];
}

function engineLayers({
  engine,
  with_display: display,
  multi_gpu: multi,
  steps,
}: GpuProfile): { readonly at: Path; readonly engine: EngineSettings }[] {
  return [
    { at: ['engine'], engine },
    { at: ['with_display'], engine: display },
    { at: ['multi_gpu', 'engine'], engine: multi.engine },
    ...steps.map((step, i) => ({ at: ['steps', i, 'engine'], engine: step.engine })),
  ];
}

/** Flags that no vLLM has, as far as is known, or not with such a value. */
function* unknownIn(file: ProfileFile<object>, at: Path, engine: EngineSettings): Generator<Finding> {
  for (const [key, value] of Object.entries(engine)) {
    if (key === GPU_MODE || removedSettings({ [key]: null }, null).length > 0) continue;
    const wrong = isKnownFlag(key) ? wrongValue(key, value) : null;
    if (!isKnownFlag(key)) yield findingAt(file, [...at, key], unknownFlag(key));
    else if (wrong?.isSure === true) yield findingAt(file, [...at, key], wrong.message);
  }
}

/** What is wrong with the name of a flag that is none. */
export function unknownFlag(key: string): string {
  const near = nearestFlag(key);
  return `vllm serve has no flag ${flagOf(key)}${near === null ? '' : `; did you mean ${near}?`}`;
}

function placed<T extends { readonly name: string }>(kind: string, files: readonly ProfileFile<T>[]): { place: string; layer: Layer }[] {
  return files.map(({ profile, layer }) => ({ place: `${kind}/${profile.name}`, layer }));
}

function named(kind: string, names: ReadonlySet<string>): string[] {
  return [...names].map((name) => `${kind}/${name}`);
}

function* gpuFindings(file: ProfileFile<GpuProfile>, models: Known): Generator<Finding> {
  const { default_model: model, engine, with_display: display, env, multi_gpu: multi, steps } = file.profile;
  if (!models.has(model)) yield findingAt(file, ['default_model'], `there is no model ${withNearest(model, models.names)}`);
  const layers: { readonly at: Path; readonly engine: EngineSettings; readonly env: Readonly<Record<string, string>> }[] = [
    { at: [], engine, env },
    { at: ['multi_gpu'], ...multi },
    ...steps.map((step, i) => ({ at: ['steps', i], ...step })),
  ];
  yield* removedIn(file, ['with_display'], display);
  for (const layer of layers) {
    yield* removedIn(file, [...layer.at, 'engine'], layer.engine);
    for (const name of Object.keys(layer.env))
      for (const message of removedVariables({ [name]: '' })) yield findingAt(file, [...layer.at, 'env', name], message);
  }
}

function* modelFindings(file: ProfileFile<ModelProfile>, gpus: Known): Generator<Finding> {
  const { engine, on, variants } = file.profile;
  yield* removedIn(file, ['engine'], engine);
  for (const [gpu, entry] of Object.entries(on)) {
    yield* removedIn(file, ['on', gpu, 'engine'], entry.engine);
    if (!gpus.has(gpu)) yield findingAt(file, ['on', gpu], `there is no GPU profile ${withNearest(gpu, gpus.names)}`);
    const names = variants.map(({ name }) => name);
    if (!names.includes(entry.variant))
      yield findingAt(file, ['on', gpu, 'variant'], `there is no variant ${withNearest(entry.variant, names)}`);
  }
}

/** Flags that vLLM no longer has. */
function* removedIn(file: ProfileFile<object>, at: Path, engine: Readonly<Record<string, unknown>>): Generator<Finding> {
  for (const key of Object.keys(engine))
    for (const message of removedSettings({ [key]: null }, null)) yield findingAt(file, [...at, key], message);
}

/** Beside the sources, and beside `dist/` once built. */
export function profilesDirectory(): string {
  const candidates = ['../../profiles', '../../../profiles'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return candidates.find((path) => existsSync(join(path, 'gpu'))) ?? (candidates[0] as string);
}

/** A name that is not there, with the nearest of those that are. */
function withNearest(name: string, names: Iterable<string>): string {
  const near = nearestName(name, names);
  return near === null ? name : `${name}; did you mean ${near}?`;
}

function byName<T extends { readonly name: string }>(files: readonly ProfileFile<T>[]): ReadonlyMap<string, T> {
  return new Map(files.map(({ profile }) => [profile.name, profile]));
}
