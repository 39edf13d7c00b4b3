import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { EngineValue } from '../gateway/config/settings.ts';

/** Flags of `vllm serve`, underscores for dashes. */
export type EngineSettings = Readonly<Record<string, EngineValue>>;

const engine = z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), z.json()) as unknown as z.ZodType<EngineSettings, EngineSettings>;
const computeCap = z.number().min(5).max(20);

const gpuSchema = z.strictObject({
  title: z.string(),
  /** What nvidia-smi reports for the card; null: never chosen by what is found. */
  match: z
    .strictObject({
      name: z.string().transform((text) => new RegExp(text)),
      compute_cap: computeCap.optional(),
      memory_mib: z.tuple([z.int(), z.int()]).optional(),
    })
    .nullable(),
  compute_cap: computeCap.nullable(),
  memory_gib: z.number().positive().nullable(),
  default_model: z.string(),
  engine,
  with_display: engine.default({}),
  env: z.record(z.string(), z.string()).default({}),
  deny: z.array(z.strictObject({ pattern: z.string().transform((text) => new RegExp(text, 'i')), reason: z.string() })).default([]),
});

const change = z.union([
  z.strictObject({ set: z.json() }),
  z.strictObject({ times: z.number().positive(), min: z.number().optional(), max: z.number().optional() }),
  z.strictObject({ add: z.number(), min: z.number().optional(), max: z.number().optional() }),
  z.strictObject({ at_least: z.number(), min_memory_gib: z.number().optional() }),
]);

const tuningSchema = z.strictObject({ title: z.string(), engine: z.record(z.string(), change) });

const variantSchema = z.strictObject({
  name: z.string(),
  source: z.string(),
  weights_gib: z.number().positive(),
  min_compute_cap: computeCap,
});

const modelSchema = z.strictObject({
  title: z.string(),
  capabilities: z.array(z.enum(['chat', 'tools', 'vision', 'reasoning', 'embeddings'])),
  max_context: z.int().positive(),
  /** What the memory of a context is computed from. */
  shape: z.strictObject({
    parameters_b: z.number().positive(),
    layers: z.int().positive(),
    kv_heads: z.int().positive(),
    head_dim: z.int().positive(),
    hidden: z.int().positive(),
    intermediate: z.int().positive(),
    vocabulary: z.int().positive(),
    sliding: z.strictObject({ layers: z.int().positive(), window: z.int().positive() }).optional(),
  }),
  /** Largest first. */
  variants: z.array(variantSchema).min(1),
  engine: engine.default({}),
  on: z
    .record(
      z.string(),
      z.union([z.strictObject({ refuse: z.string() }), z.strictObject({ variant: z.string(), engine: engine.default({}) })]),
    )
    .default({}),
});

export type GpuProfile = { readonly name: string } & z.output<typeof gpuSchema>;
export type Tuning = { readonly name: string } & z.output<typeof tuningSchema>;
export type TuningChange = z.output<typeof change>;
export type ModelProfile = { readonly name: string } & z.output<typeof modelSchema>;
export type ModelVariant = ModelProfile['variants'][number];

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
  for (const gpu of profiles.gpus.values())
    if (!profiles.models.has(gpu.default_model)) throw new ProfileError(`gpu/${gpu.name}.yaml: there is no model ${gpu.default_model}`);
  for (const model of profiles.models.values()) checkModel(model, profiles);
  return profiles;
}

function checkModel(model: ModelProfile, profiles: Profiles): void {
  for (const [gpu, entry] of Object.entries(model.on)) {
    if (!profiles.gpus.has(gpu)) throw new ProfileError(`models/${model.name}.yaml: on.${gpu}: there is no such GPU profile`);
    if ('variant' in entry && !model.variants.some((variant) => variant.name === entry.variant))
      throw new ProfileError(`models/${model.name}.yaml: on.${gpu}: there is no variant ${entry.variant}`);
  }
}

/** Beside the sources, and beside `dist/` once built. */
export function profilesDirectory(): string {
  const candidates = ['../profiles', '../../profiles'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
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
