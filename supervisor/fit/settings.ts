import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { DEFAULT_UTILIZATION } from './flags.ts';
import { CONTEXT_BYTES } from '../gpu/memory.ts';
import type { EngineSettings, GpuProfile, ModelProfile, Tuning, TuningChange } from '../profile/schema.ts';

/** The card a worker runs on, as far as its settings depend on it. */
export interface CardFacts {
  /** For people. */
  readonly name: string;
  /** What CUDA divides. */
  readonly memoryGib: number | null;
  readonly computeCap: number | null;
  readonly display: boolean;
  /** How many like it one worker may use. */
  readonly count: number;
  /** What is left of each for models that sleep on it. */
  readonly reservedGib?: number;
  /** Workers that divide it, this one included. Left out: it has it to itself. */
  readonly sharers?: number;
}

/** What vLLM takes when it is told nothing, on cards below 70 GiB: where a relative change starts from. */
const VLLM_DEFAULTS: Readonly<Record<string, number>> = {
  gpu_memory_utilization: DEFAULT_UTILIZATION,
  max_num_seqs: 256,
  max_num_batched_tokens: 2048,
};

/** Settings that one source has, later ones beating earlier ones. */
export interface EngineLayer {
  readonly from: 'gpu' | 'display' | 'context' | 'model' | 'on' | 'desktop' | 'tuning' | 'sleepers';
  readonly engine: EngineSettings;
}

/** The layers of the profiles, the operator's own not among them. */
export function engineLayers(gpu: GpuProfile, model: ModelProfile | null, tuning: Tuning, card: CardFacts): readonly EngineLayer[] {
  const layers: EngineLayer[] = [
    { from: 'gpu', engine: gpu.engine },
    { from: 'display', engine: card.display ? gpu.with_display : {} },
    { from: 'context', engine: withinContext(gpu.engine, model) },
    { from: 'model', engine: model?.engine ?? {} },
    { from: 'on', engine: model?.on[gpu.name]?.engine ?? {} },
  ];
  if (card.display) layers.push({ from: 'desktop', engine: besideDesktop(gpu, together(layers)) });
  layers.push({ from: 'tuning', engine: tuned(together(layers), tuning, card) });
  layers.push({ from: 'sleepers', engine: besideSleepers(together(layers), card) });
  return layers;
}

/** What holds of all of them. */
export function layeredEngine(gpu: GpuProfile, model: ModelProfile | null, tuning: Tuning, card: CardFacts): EngineSettings {
  return together(engineLayers(gpu, model, tuning, card));
}

function together(layers: readonly EngineLayer[]): EngineSettings {
  return Object.assign({}, ...layers.map(({ engine }) => engine)) as EngineSettings;
}

/** What a model wants of an idle card is not free beside a desktop, and vLLM would refuse to start. */
function besideDesktop(gpu: GpuProfile, engine: EngineSettings): EngineSettings {
  const most = gpu.with_display['gpu_memory_utilization'];
  const asked = engine['gpu_memory_utilization'];
  return typeof most === 'number' && typeof asked === 'number' && asked > most ? { gpu_memory_utilization: most } : {};
}

/** vLLM takes its share after CUDA's context, and what sleeps holds is not free. */
function besideSleepers(engine: EngineSettings, card: CardFacts): EngineSettings {
  const most = mostUtilization(card);
  const asked = engine['gpu_memory_utilization'] ?? DEFAULT_UTILIZATION;
  return typeof asked === 'number' && asked > most ? { gpu_memory_utilization: most } : {};
}

/** The largest gpu_memory_utilization that leaves what is reserved of a card; 1 where nothing is. */
export function mostUtilization({ memoryGib, reservedGib = 0 }: Pick<CardFacts, 'memoryGib' | 'reservedGib'>): number {
  if (reservedGib === 0 || memoryGib === null) return 1;
  return Math.max(0, Math.floor(((memoryGib - reservedGib - CONTEXT_BYTES / 2 ** 30) / memoryGib) * 100) / 100);
}

/** A worker's part of a card that several share. A share that they all can have is meant for each, a larger one for the card. */
export function dividedCard(engine: EngineSettings, { sharers = 1 }: CardFacts): EngineSettings {
  const asked = engine['gpu_memory_utilization'] ?? DEFAULT_UTILIZATION;
  if (typeof asked !== 'number' || asked * sharers <= 1) return engine;
  return { ...engine, gpu_memory_utilization: Math.floor((asked / sharers) * 100) / 100 };
}

/** A card's context length never exceeds the model's own. */
function withinContext(engine: EngineSettings, model: ModelProfile | null): EngineSettings {
  const asked = engine['max_model_len'];
  return model && typeof asked === 'number' && asked > model.max_context ? { max_model_len: model.max_context } : {};
}

function tuned(engine: EngineSettings, tuning: Tuning, card: CardFacts): EngineSettings {
  const result: Record<string, EngineValue> = {};
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
