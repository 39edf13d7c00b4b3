import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import { type Finding, problemText, type SettingsProblem, toProblems } from '../../gateway/config/schema/problems.ts';
import type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';
import { gpuSchema, modelSchema, tuningSchema } from './schema.ts';
import { removedSettings, removedVariables } from './removed-flags.ts';
import { findingAt, readProfileFiles, type ProfileFile } from './profile-file.ts';

export type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';

export interface Profiles {
  readonly gpus: ReadonlyMap<string, GpuProfile>;
  readonly tunings: ReadonlyMap<string, Tuning>;
  readonly models: ReadonlyMap<string, ModelProfile>;
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

/** Reads and checks every profile under `directory`. @throws ProfileError with every problem found, each with its file, line and column */
export function loadProfiles(directory: string = profilesDirectory()): Profiles {
  const findings: Finding[] = [];
  const gpus = readProfileFiles(join(directory, 'gpu'), gpuSchema, findings);
  const tunings = readProfileFiles(join(directory, 'tuning'), tuningSchema, findings);
  const models = readProfileFiles(join(directory, 'models'), modelSchema, findings);
  const profiles: Profiles = { gpus: byName(gpus), tunings: byName(tunings), models: byName(models) };
  // A profile that cannot be read is not one that is missing.
  if (findings.length === 0) {
    findings.push(...gpus.flatMap((file) => [...gpuFindings(file, profiles)]));
    findings.push(...tunings.flatMap((file) => [...removedIn(file, ['engine'], file.profile.engine)]));
    findings.push(...models.flatMap((file) => [...modelFindings(file, profiles)]));
  }
  if (findings.length === 0) return profiles;
  const problems = toProblems(findings);
  throw new ProfileError(problems.map(problemText).join('\n'), problems);
}

function* gpuFindings(file: ProfileFile<GpuProfile>, { models }: Profiles): Generator<Finding> {
  const { default_model: model, engine, with_display: display, env, multi_gpu: multi, steps } = file.profile;
  if (!models.has(model)) yield findingAt(file, ['default_model'], `there is no model ${withNearest(model, models.keys())}`);
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

function* modelFindings(file: ProfileFile<ModelProfile>, { gpus }: Profiles): Generator<Finding> {
  const { engine, on, variants } = file.profile;
  yield* removedIn(file, ['engine'], engine);
  for (const [gpu, entry] of Object.entries(on)) {
    yield* removedIn(file, ['on', gpu, 'engine'], entry.engine);
    if (!gpus.has(gpu)) yield findingAt(file, ['on', gpu], `there is no GPU profile ${withNearest(gpu, gpus.keys())}`);
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
