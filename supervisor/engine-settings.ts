import type { EngineValue } from '../gateway/config/settings.ts';
import type { EngineSettings, GpuProfile, ModelProfile, ModelVariant, Tuning, TuningChange } from './profile.ts';

/** The card a worker runs on, as far as its settings depend on it. */
export interface CardFacts {
  readonly memoryGib: number | null;
  readonly computeCap: number | null;
  readonly display: boolean;
}

/** A model as the operator asked for it: an entry of the registry, one of their own, or one laid over the other. */
export interface ModelRequest {
  readonly id: string;
  /** null: the registry says. */
  readonly source: string | null;
  readonly profile: ModelProfile | null;
  /** The operator's own flags: they beat every profile. */
  readonly engine: EngineSettings;
}

export type Choice =
  | { readonly kind: 'run'; readonly source: string; readonly weightsGib: number | null; readonly engine: EngineSettings }
  /** It cannot work on this card, for the reason given in plain words. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What vLLM takes when it is told nothing, on cards below 70 GiB: where a relative change starts from. */
const VLLM_DEFAULTS: Readonly<Record<string, number>> = {
  gpu_memory_utilization: 0.92,
  max_num_seqs: 256,
  max_num_batched_tokens: 2048,
};

/** Which weights to run and with which flags: the layers of the profiles, the operator's own on top. */
export function chooseEngine(model: ModelRequest, gpu: GpuProfile, tuning: Tuning, card: CardFacts): Choice {
  const onGpu = model.profile?.on[gpu.name];
  if (onGpu && 'refuse' in onGpu && model.source === null) return { kind: 'refused', reason: onGpu.refuse };
  const fitted = onGpu && 'variant' in onGpu ? onGpu : null;
  const variant = model.profile ? chooseVariant(model.profile, fitted?.variant ?? null, card) : null;
  const source = model.source ?? variant?.source;
  if (source === undefined) return { kind: 'refused', reason: `The model ${model.id} has no source: set models[].source.` };
  const denied = gpu.deny.find(({ pattern }) => pattern.test(source) || pattern.test(model.id));
  if (denied) return { kind: 'refused', reason: `${model.id} cannot run on this card: ${denied.reason}.` };
  const profiled = {
    ...gpu.engine,
    ...(card.display ? gpu.with_display : {}),
    ...withinContext(gpu.engine, model.profile),
    ...model.profile?.engine,
    ...fitted?.engine,
  };
  const engine = { ...tuned(profiled, tuning, card), ...model.engine };
  return { kind: 'run', source, weightsGib: model.source === null ? (variant?.weights_gib ?? null) : null, engine };
}

/** A card's context length never exceeds the model's own. */
function withinContext(engine: EngineSettings, model: ModelProfile | null): EngineSettings {
  const asked = engine['max_model_len'];
  return model && typeof asked === 'number' && asked > model.max_context ? { max_model_len: model.max_context } : {};
}

function chooseVariant(model: ModelProfile, named: string | null, card: CardFacts): ModelVariant {
  const smallest = model.variants.at(-1) as ModelVariant;
  if (named !== null) return model.variants.find((variant) => variant.name === named) ?? smallest;
  const { memoryGib, computeCap } = card;
  const fits = (variant: ModelVariant) =>
    (memoryGib === null || variant.weights_gib * 1.2 + 2 <= memoryGib) && (computeCap === null || computeCap >= variant.min_compute_cap);
  // Nothing known of the card: the smallest has the best chance.
  return memoryGib === null ? smallest : (model.variants.find(fits) ?? smallest);
}

function tuned(engine: EngineSettings, tuning: Tuning, card: CardFacts): EngineSettings {
  const result: Record<string, EngineValue> = { ...engine };
  for (const [key, change] of Object.entries(tuning.engine)) {
    const value = changed(key, engine[key], change, card);
    if (value !== undefined) result[key] = value;
  }
  return result;
}

function changed(key: string, value: EngineValue | undefined, change: TuningChange, card: CardFacts): EngineValue | undefined {
  if ('set' in change) return change.set as EngineValue;
  const base = typeof value === 'number' ? value : VLLM_DEFAULTS[key];
  if (base === undefined) return undefined;
  if ('at_least' in change) {
    const roomy = change.min_memory_gib === undefined || (card.memoryGib !== null && card.memoryGib >= change.min_memory_gib);
    return roomy ? Math.max(base, change.at_least) : undefined;
  }
  const moved = 'times' in change ? base * change.times : base + change.add;
  const bounded = Math.min(change.max ?? Infinity, Math.max(change.min ?? -Infinity, moved));
  return Number.isInteger(base) && base > 1 ? Math.floor(bounded) : Math.round(bounded * 1000) / 1000;
}
