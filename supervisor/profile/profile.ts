import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';
import { gpuSchema, modelSchema, tuningSchema } from './schema.ts';
import { removedSettings, removedVariables } from './removed-flags.ts';

export type { EngineSettings, GpuProfile, ModelProfile, Tuning } from './schema.ts';

export interface Profiles {
  readonly gpus: ReadonlyMap<string, GpuProfile>;
  readonly tunings: ReadonlyMap<string, Tuning>;
  readonly models: ReadonlyMap<string, ModelProfile>;
}

/** A profile file, or a setting that names one, is wrong. Exit code 64. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
}

/** Reads and checks every profile under `directory`. @throws ProfileError naming the file and, where it can, the line. */
export function loadProfiles(directory: string = profilesDirectory()): Profiles {
  const profiles: Profiles = {
    gpus: loadFolder(join(directory, 'gpu'), gpuSchema),
    tunings: loadFolder(join(directory, 'tuning'), tuningSchema),
    models: loadFolder(join(directory, 'models'), modelSchema),
  };
  for (const gpu of profiles.gpus.values()) checkGpu(gpu, profiles);
  for (const tuning of profiles.tunings.values()) checkEngine(`tuning/${tuning.name}.yaml`, tuning.engine as EngineSettings);
  for (const model of profiles.models.values()) checkModel(model, profiles);
  return profiles;
}

function checkGpu(gpu: GpuProfile, profiles: Profiles): void {
  const file = `gpu/${gpu.name}.yaml`;
  if (!profiles.models.has(gpu.default_model)) throw new ProfileError(`${file}: there is no model ${gpu.default_model}`);
  for (const layer of [gpu, gpu.multi_gpu, { engine: gpu.with_display }, ...gpu.steps]) checkEngine(file, layer.engine);
  for (const { env } of [gpu, gpu.multi_gpu, ...gpu.steps]) checkVariables(file, env);
}

function checkModel(model: ModelProfile, profiles: Profiles): void {
  const file = `models/${model.name}.yaml`;
  checkEngine(file, model.engine);
  for (const [gpu, entry] of Object.entries(model.on)) {
    checkEngine(file, entry.engine);
    if (!profiles.gpus.has(gpu)) throw new ProfileError(`${file}: on.${gpu}: there is no such GPU profile`);
    if (!model.variants.some((variant) => variant.name === entry.variant))
      throw new ProfileError(`${file}: on.${gpu}: there is no variant ${entry.variant}`);
  }
}

function checkEngine(file: string, engine: EngineSettings): void {
  const [problem] = removedSettings(engine, null);
  if (problem !== undefined) throw new ProfileError(`${file}: ${problem}`);
}

function checkVariables(file: string, env: Readonly<Record<string, string>>): void {
  const [problem] = removedVariables(env);
  if (problem !== undefined) throw new ProfileError(`${file}: ${problem}`);
}

/** Beside the sources, and beside `dist/` once built. */
export function profilesDirectory(): string {
  const candidates = ['../../profiles', '../../../profiles'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return candidates.find((path) => existsSync(join(path, 'gpu'))) ?? (candidates[0] as string);
}

function loadFolder<T extends object>(folder: string, schema: z.ZodType<T>): ReadonlyMap<string, T & { name: string }> {
  const entries = new Map<string, T & { name: string }>();
  for (const file of readdirSync(folder).toSorted()) {
    if (!file.endsWith('.yaml')) continue;
    const name = basename(file, '.yaml');
    entries.set(name, { name, ...parse(join(folder, file), schema) });
  }
  return entries;
}

function parse<T>(file: string, schema: z.ZodType<T>): T {
  const document = parseDocument(readFileSync(file, 'utf8'));
  const problem = document.errors[0];
  if (problem) throw new ProfileError(`${file}: ${problem.message}`);
  const result = schema.safeParse(document.toJS());
  if (!result.success) throw new ProfileError(`${file}:\n${z.prettifyError(result.error)}`);
  return result.data;
}
