import type { CheckedFlags } from '../engine/flags.ts';
import { checkFlags } from '../engine/flags.ts';
import type { CardFacts } from '../fit/settings.ts';
import { dividedCard, layeredEngine } from '../fit/settings.ts';
import type { Fit } from '../fit/fit.ts';
import { describeChanges } from '../fit/advice.ts';
import { fitVariant } from '../fit/choice.ts';
import { reservations } from '../fit/compatibility.ts';
import { gpusOf, MULTI_GPU_ENV, waysToSpread } from '../profile/mode.ts';
import type { EngineSettings, GpuProfile, ModelProfile, ModelVariant, Tuning } from '../profile/schema.ts';
import type { VllmInstall } from '../engine/vllm-install.ts';

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
  /** What makes the start doubtful though nothing forbids it, in plain words; `certain`: it will fail as things are. Left out: nothing. */
  readonly doubt?: { readonly certain: boolean; readonly text: string };
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
  asked: ModelRequest,
  gpu: GpuProfile,
  tuning: Tuning,
  card: CardFacts,
  { others = [], vllm = null }: Surroundings = {},
): Choice {
  const model = { ...asked, engine: underscored(asked.engine) };
  const profiled = layeredEngine(gpu, model.profile, tuning, card);
  const checked = checkFlags(dividedCard({ ...profiled, ...model.engine }, card), model.engine, vllm);
  if (checked.kind === 'refused') return checked;
  const { profile, source } = model;
  const { measured } = tuning;
  const isMeasured = measured?.model === model.id && measured.gpu === gpu.name && (source === null || source === measured.source);
  const weights = isMeasured ? measured.source : source;
  const variants = profile?.variants.filter((variant) => weights === null || variant.source === weights) ?? [];
  const choice =
    profile && variants.length > 0
      ? chooseKnown({ model, profile, variants, gpu, card, checked, isMeasured })
      : chooseOwn(model, gpu, card, checked);
  if (choice.kind === 'refused') return { ...choice, reason: `${choice.reason}${alternative(model, others, gpu, tuning, card)}` };
  const spread = gpusOf(choice.engine) > 1;
  return {
    ...choice,
    engine: spread ? { ...choice.engine, ...without(gpu.multi_gpu.engine, model.engine) } : choice.engine,
    env: { ...gpu.env, ...(spread ? { ...MULTI_GPU_ENV, ...gpu.multi_gpu.env } : {}) },
  };
}

type Checked = Extract<CheckedFlags, { kind: 'ok' }>;

/** Weights that nobody knows: there is only their name to go by. */
function chooseOwn(model: ModelRequest, gpu: GpuProfile, card: CardFacts, { engine, notes }: Checked): Choice {
  const { source } = model;
  if (source === null) return { kind: 'refused', reason: `The model ${model.id} has no source: set models[].source.` };
  const denied = gpu.deny.find(({ pattern }) => pattern.test(source) || pattern.test(model.id));
  if (denied) return { kind: 'refused', reason: `${model.id} cannot run on this card: ${denied.reason}.` };
  const [way = engine] = waysToSpread(engine, model.profile?.shape ?? null, card.count).toReversed();
  return { kind: 'run', source, variant: null, weightsGib: null, engine: way, env: {}, fit: null, notes };
}

interface KnownRequest {
  readonly model: ModelRequest;
  readonly profile: ModelProfile;
  readonly variants: readonly ModelVariant[];
  readonly gpu: GpuProfile;
  readonly card: CardFacts;
  readonly checked: Checked;
  /** The tuning was measured with it on such a card: what has run there is known better than by arithmetic. */
  readonly isMeasured: boolean;
}

/** What the arithmetic would relax although no layer names it. */
const UNRELAXED: EngineSettings = { max_num_seqs: null, max_num_batched_tokens: null, max_model_len: null, enforce_eager: null };

function chooseKnown({ model, profile, variants, gpu, card, checked, isMeasured }: KnownRequest): Choice {
  const { source } = model;
  const decided = isMeasured ? { ...checked.engine, ...UNRELAXED } : model.engine;
  const fitted = fitVariant(
    profile,
    variants,
    profile.on[gpu.name]?.variant ?? null,
    checked.engine,
    decided,
    card,
    isMeasured || source !== null,
  );
  if (fitted.kind === 'refused') return fitted;
  const { variant, engine, fit, changes } = fitted;
  const notes = [
    ...checked.notes,
    ...(changes.length === 0 ? [] : [`So that it fits: ${describeChanges(changes)}.`]),
    ...reservations(variant.quantization, card, engine),
  ];
  return { kind: 'run', source: source ?? variant.source, variant, weightsGib: variant.weights_gib, engine, env: {}, fit, notes };
}

/** vLLM takes flags with dashes and with underscores; two spellings of one would be two flags. */
function underscored(engine: EngineSettings): EngineSettings {
  return Object.fromEntries(Object.entries(engine).map(([key, value]) => [key.replaceAll('-', '_'), value]));
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
