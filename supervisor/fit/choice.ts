import type { CardFacts } from './settings.ts';
import type { Fit, FitModel } from './fit.ts';
import { estimateFit, loadedWeightsGib } from './fit.ts';
import type { RelaxLimits, Relaxed } from './advice.ts';
import { BARELY, COMFORTABLE, relaxToFit } from './advice.ts';
import { incompatibility } from './compatibility.ts';
import type { DefaultsCard } from './flags.ts';
import { readFitFlags } from './flags.ts';
import { waysToSpread } from '../profile/mode.ts';
import type { EngineSettings, ModelProfile, ModelVariant } from '../profile/schema.ts';

type Fitted =
  | {
      readonly kind: 'fitted';
      readonly variant: ModelVariant;
      readonly engine: EngineSettings;
      /** null where the memory of the card is not known. */
      readonly fit: Fit | null;
      readonly changes: Relaxed['changes'];
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** Settings with which an operator has decided on the memory. */
const MEMORY_SETTINGS: ReadonlySet<string> = new Set([
  ...['gpu_memory_utilization', 'max_model_len', 'max_num_seqs', 'max_num_batched_tokens', 'kv_cache_memory_bytes', 'kv_cache_dtype'],
  ...['enforce_eager', 'max_cudagraph_capture_size', 'cudagraph_capture_sizes', 'cpu_offload_gb', 'num_gpu_blocks_override'],
]);

/**
 * Which of a model's `variants` to run on a card, and with which settings: `engine`, relaxed as far as the model needs it, but never in
 * what is the operator's `own`. `preferred` is the variant to take if it fits at all; `isTheirs`: the operator has named the weights.
 */
export function fitVariant(
  profile: ModelProfile,
  variants: readonly ModelVariant[],
  preferred: string | null,
  engine: EngineSettings,
  own: EngineSettings,
  card: CardFacts,
  isTheirs = false,
): Fitted {
  const problems = variants.map((variant) => incompatibility(profile, variant.quantization, card, engine));
  const possible = variants.filter((_, index) => problems[index] === null);
  const smallest = possible.at(-1);
  if (!smallest) return refused(`${profile.name} cannot run on this GPU (${card.name}): ${problems.at(-1) ?? 'it has no weights'}.`);
  const { memoryGib, computeCap } = card;
  const ways = waysToSpread(engine, profile.shape, card.count);
  // Nothing known of the card: the smallest has the best chance.
  if (memoryGib === null) return { kind: 'fitted', variant: smallest, engine: ways[0] ?? engine, fit: null, changes: [] };
  const facts = { memoryGib, computeCap };
  const fixed = new Set(Object.keys(own));
  const listed = possible.filter(({ name }) => name === preferred);
  // Weights that anybody may download before those that need a token.
  const open = possible.toSorted((a, b) => Number(a.gated) - Number(b.gated));
  const found = search(profile, listed, ways, facts, fixed) ?? search(profile, open, ways, facts, fixed);
  if (found) return { kind: 'fitted', ...found };
  const widest = ways.at(-1) ?? engine;
  const fit = estimateFit(toFitModel(profile, smallest)(widest), readFitFlags(widest, facts), memoryGib);
  // An operator who has decided on weights or memory is taken at their word, unless it is beyond doubt.
  const isTheirWish = (isTheirs || Object.keys(own).some((key) => MEMORY_SETTINGS.has(key))) && fit.cause !== 'weights';
  if (isTheirWish) return { kind: 'fitted', variant: smallest, engine: widest, fit, changes: [] };
  return refused(`${profile.name} does not fit this GPU (${card.name}). ${fit.reason}`);
}

function refused(reason: string): Fitted {
  return { kind: 'refused', reason };
}

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
        const relaxed = relaxToFit(toFitModel(profile, variant), way, card, limits, fixed);
        return relaxed ? [{ ...relaxed, variant }] : [];
      }),
    );
  const comfortable = attempt(COMFORTABLE);
  return comfortable.find(({ fit }) => fit.verdict === 'fits') ?? comfortable[0] ?? attempt(BARELY)[0] ?? null;
}

function toFitModel(profile: ModelProfile, variant: ModelVariant): (engine: EngineSettings) => FitModel {
  const { shape, max_context: maxContext } = profile;
  return (engine) => ({
    shape,
    maxContext,
    weightsGib: loadedWeightsGib(shape, variant.weights_gib, engine['language_model_only'] === true),
  });
}
