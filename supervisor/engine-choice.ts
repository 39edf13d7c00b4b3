import type { CheckedFlags } from './engine-flags.ts';
import { checkFlags } from './engine-flags.ts';
import type { CardFacts } from './engine-settings.ts';
import { layeredEngine } from './engine-settings.ts';
import type { Fit, FitModel } from './fit.ts';
import { estimateFit, loadedWeightsGib } from './fit.ts';
import type { RelaxLimits, Relaxed } from './fit-advice.ts';
import { BARELY, COMFORTABLE, describeChanges, relaxToFit } from './fit-advice.ts';
import { incompatibility, reservations } from './fit-compatibility.ts';
import type { DefaultsCard } from './fit-flags.ts';
import { readFitFlags } from './fit-flags.ts';
import { gpusOf, MULTI_GPU_ENV, waysToSpread } from './gpu-mode.ts';
import type { EngineSettings, GpuProfile, ModelProfile, ModelVariant, Tuning } from './profile-schema.ts';
import type { VllmInstall } from './vllm-install.ts';

/** A model as the operator asked for it: an entry of the registry, one of their own, or one laid over the other. */
export interface ModelRequest {
  readonly id: string;
  /** null: the registry says. */
  readonly source: string | null;
  readonly profile: ModelProfile | null;
  /** The operator's own flags: they beat every profile. */
  readonly engine: EngineSettings;
}

export interface RunChoice {
  readonly kind: 'run';
  readonly source: string;
  /** null for a model outside the registry. */
  readonly variant: ModelVariant | null;
  readonly weightsGib: number | null;
  readonly engine: EngineSettings;
  readonly env: Readonly<Record<string, string>>;
  /** null where the dimensions of the model or the memory of the card are not known. */
  readonly fit: Fit | null;
  /** What the operator may want to know, a sentence each. */
  readonly notes: readonly string[];
}

/** `reason`: it cannot work on this card, in plain words. */
export type Choice = RunChoice | { readonly kind: 'refused'; readonly reason: string };

/** What else a choice depends on; all of it may be unknown. */
export interface Surroundings {
  /** Models to name where the one that was asked for cannot run. */
  readonly others?: readonly ModelProfile[];
  readonly vllm?: VllmInstall | null;
}

/** Which weights to run and with which flags: the layers of the profiles, relaxed until they fit the card, the operator's own on top. */
export function chooseEngine(
  model: ModelRequest,
  gpu: GpuProfile,
  tuning: Tuning,
  card: CardFacts,
  { others = [], vllm = null }: Surroundings = {},
): Choice {
  const profiled = layeredEngine(gpu, model.profile, tuning, card);
  const checked = checkFlags({ ...profiled, ...model.engine }, model.engine, vllm);
  if (checked.kind === 'refused') return checked;
  const choice =
    model.profile && model.source === null ? chooseKnown(model, model.profile, gpu, card, checked) : chooseOwn(model, gpu, card, checked);
  if (choice.kind === 'refused') return { ...choice, reason: `${choice.reason}${alternative(model, others, gpu, tuning, card)}` };
  const spread = gpusOf(choice.engine) > 1;
  return {
    ...choice,
    engine: spread ? { ...choice.engine, ...without(gpu.multi_gpu.engine, model.engine) } : choice.engine,
    env: { ...gpu.env, ...(spread ? { ...MULTI_GPU_ENV, ...gpu.multi_gpu.env } : {}) },
  };
}

type Checked = Extract<CheckedFlags, { kind: 'ok' }>;

/** Weights that the operator names: nothing is known of them but their name. */
function chooseOwn(model: ModelRequest, gpu: GpuProfile, card: CardFacts, { engine, notes }: Checked): Choice {
  const { source } = model;
  if (source === null) return { kind: 'refused', reason: `The model ${model.id} has no source: set models[].source.` };
  const denied = gpu.deny.find(({ pattern }) => pattern.test(source) || pattern.test(model.id));
  if (denied) return { kind: 'refused', reason: `${model.id} cannot run on this card: ${denied.reason}.` };
  const [way = engine] = waysToSpread(engine, model.profile?.shape ?? null, card.count).toReversed();
  return { kind: 'run', source, variant: null, weightsGib: null, engine: way, env: {}, fit: null, notes };
}

function chooseKnown(model: ModelRequest, profile: ModelProfile, gpu: GpuProfile, card: CardFacts, checked: Checked): Choice {
  const preferred = profile.on[gpu.name]?.variant;
  const problems = profile.variants.map((variant) => incompatibility(profile, variant.quantization, card, checked.engine));
  const possible = profile.variants.filter((_, index) => problems[index] === null);
  const last = possible.at(-1);
  if (!last)
    return { kind: 'refused', reason: `${profile.name} cannot run on this GPU (${card.name}): ${problems.at(-1) ?? 'it has no weights'}.` };
  const run = (variant: ModelVariant, engine: EngineSettings, fit: Fit | null, changes: Relaxed['changes']): RunChoice => ({
    kind: 'run',
    source: variant.source,
    variant,
    weightsGib: variant.weights_gib,
    engine,
    env: {},
    fit,
    notes: [
      ...checked.notes,
      ...(changes.length === 0 ? [] : [`So that it fits: ${describeChanges(changes)}.`]),
      ...reservations(variant.quantization, card, engine),
    ],
  });
  const { memoryGib } = card;
  const ways = waysToSpread(checked.engine, profile.shape, card.count);
  // Nothing known of the card: the smallest has the best chance.
  if (memoryGib === null) return run(last, ways[0] ?? checked.engine, null, []);
  const facts = { memoryGib, computeCap: card.computeCap };
  const fixed = new Set(Object.keys(model.engine));
  const listed = possible.filter(({ name }) => name === preferred);
  // Weights that anybody may download before those that need a token.
  const open = possible.toSorted((a, b) => Number(a.gated) - Number(b.gated));
  const found = search(profile, listed, ways, facts, fixed) ?? search(profile, open, ways, facts, fixed);
  if (found) return run(found.variant, found.engine, found.fit, found.changes);
  const engine = ways.at(-1) ?? checked.engine;
  const fit = estimateFit(fitModel(profile, last)(engine), readFitFlags(engine, facts), memoryGib);
  // An operator who has decided on the memory is taken at their word, unless it is beyond doubt.
  const isTheirWish = Object.keys(model.engine).some((key) => MEMORY_SETTINGS.has(key)) && fit.cause !== 'weights';
  if (isTheirWish) return run(last, engine, fit, []);
  return { kind: 'refused', reason: `${profile.name} does not fit this GPU (${card.name}). ${fit.reason}` };
}

const MEMORY_SETTINGS: ReadonlySet<string> = new Set([
  ...['gpu_memory_utilization', 'max_model_len', 'max_num_seqs', 'max_num_batched_tokens', 'kv_cache_memory_bytes', 'kv_cache_dtype'],
  ...['enforce_eager', 'max_cudagraph_capture_size', 'cudagraph_capture_sizes', 'cpu_offload_gb', 'num_gpu_blocks_override'],
]);

type Found = Relaxed & { readonly variant: ModelVariant };

/** The largest weights that fit with room, on the fewest GPUs; failing that, that fit at all. */
function search(
  profile: ModelProfile,
  variants: readonly ModelVariant[],
  ways: readonly EngineSettings[],
  card: DefaultsCard,
  fixed: ReadonlySet<string>,
): Found | null {
  const attempt = (limits: RelaxLimits): Found[] =>
    ways.flatMap((way) =>
      variants.flatMap((variant) => {
        const relaxed = relaxToFit(fitModel(profile, variant), way, card, limits, fixed);
        return relaxed ? [{ ...relaxed, variant }] : [];
      }),
    );
  const comfortable = attempt(COMFORTABLE);
  return comfortable.find(({ fit }) => fit.verdict === 'fits') ?? comfortable[0] ?? attempt(BARELY)[0] ?? null;
}

function fitModel(profile: ModelProfile, variant: ModelVariant): (engine: EngineSettings) => FitModel {
  const { shape, max_context: maxContext } = profile;
  return (engine) => ({
    shape,
    maxContext,
    weightsGib: loadedWeightsGib(shape, variant.weights_gib, engine['language_model_only'] === true),
  });
}

/** Those settings that are not among `decided`. */
function without(engine: EngineSettings, decided: EngineSettings): EngineSettings {
  return Object.fromEntries(Object.entries(engine).filter(([key]) => !Object.hasOwn(decided, key)));
}

/** The model nearest in size that works; '' when none does or none is known. */
function alternative(model: ModelRequest, others: readonly ModelProfile[], gpu: GpuProfile, tuning: Tuning, card: CardFacts): string {
  const size = model.profile?.shape.parameters_b ?? 7;
  const distance = (other: ModelProfile) => Math.abs(Math.log(other.shape.parameters_b / size));
  const working = others
    .filter(({ name }) => name !== model.id)
    .flatMap((profile) => {
      const choice = chooseEngine({ id: profile.name, source: null, profile, engine: {} }, gpu, tuning, card);
      return choice.kind === 'run' && choice.fit?.verdict !== 'no' ? [{ profile, isTight: choice.fit?.verdict === 'tight' }] : [];
    })
    .toSorted((a, b) => Number(a.isTight) - Number(b.isTight) || distance(a.profile) - distance(b.profile));
  return working[0] ? ` Choose ${working[0].profile.name}.` : '';
}
