import type { CardFacts } from '../fit/settings.ts';
import { mostUtilization } from '../fit/settings.ts';
import { incompatibility } from '../fit/compatibility.ts';
import { gpusOf } from '../profile/mode.ts';
import type { LadderLimits } from './step.ts';
import type { EngineSettings, ModelProfile } from '../profile/profile.ts';

/** A context shorter than this is hardly worth serving. */
const LEAST_USEFUL_CONTEXT = 2048;
/** CUDA's own memory, activations and the smallest KV cache worth having: below this share a ladder does not go. */
const BESIDE_WEIGHTS_GIB = 1.5;
/** Where the size of the weights is not known. */
const LEAST_SHARE = 0.5;
/** CUDA's context takes a few hundred MiB of the rest. */
const MOST_SHARE = 0.95;
const MOST_SHARE_WITH_DISPLAY = 0.92;

/**
 * How far the ladders may go for a model on a card. `model` is null for one that the registry does not know, `knownFlags` (with their
 * dashes) where nobody has asked the engine.
 */
export function ladderLimits(
  model: ModelProfile | null,
  card: Pick<CardFacts, 'name' | 'memoryGib' | 'computeCap' | 'display' | 'reservedGib' | 'sharers'>,
  chosen: { readonly source: string; readonly weightsGib: number | null; readonly engine: EngineSettings },
  knownFlags: ReadonlySet<string> | null = null,
): LadderLimits {
  const { memoryGib, computeCap, display, sharers = 1 } = card;
  const { source, weightsGib, engine } = chosen;
  const gpus = gpusOf(engine);
  const asked = engine['max_model_len'];
  const known = model?.variants.findIndex((variant) => variant.source === source) ?? -1;
  const smaller = known === -1 || !model ? [] : model.variants.slice(known + 1);
  return {
    minModelLen: typeof asked === 'number' ? Math.min(LEAST_USEFUL_CONTEXT, asked) : LEAST_USEFUL_CONTEXT,
    minUtilization:
      memoryGib !== null && weightsGib !== null ? Math.min(1, (weightsGib / gpus + BESIDE_WEIGHTS_GIB) / memoryGib) : LEAST_SHARE / sharers,
    // What the others on the card are entitled to is not there to be taken.
    maxUtilization: Math.min(mostUtilization(card), (display ? MOST_SHARE_WITH_DISPLAY : MOST_SHARE) / sharers),
    share: 1 / sharers,
    gpus,
    cardGib: memoryGib,
    computeCap,
    weightsGib,
    generates: engine['runner'] !== 'pooling' && !model?.capabilities.includes('embeddings'),
    vision:
      engine['language_model_only'] !== true && (model?.shape.vision !== undefined || model?.capabilities.includes('vision') === true),
    knownFlags,
    sliding: model?.shape.sliding !== undefined,
    smaller: smaller
      .filter((variant) => model !== null && incompatibility(model, variant.quantization, card, engine) === null)
      .map((variant) => ({ name: variant.name, source: variant.source, weightsGib: variant.weights_gib })),
  };
}
