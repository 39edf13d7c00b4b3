import type { FitFlags } from './flags.ts';
import { kvBytesPerRequest, longestRequest } from './kv.ts';
import { visionGib } from './weights.ts';
import type { ModelShape } from '../profile/schema.ts';

// vLLM's own budget, computed beforehand: a share of the card, less weights, activations and graphs, is the KV cache.
// The constants are calibrated on logs of real starts and good to about 40 %.

const GIB = 2 ** 30;
/** Bytes the sampler takes for each sequence and word of the vocabulary while vLLM profiles it. */
const SAMPLER_BYTES = 22;
const NON_TORCH_GIB = 0.25;
/** What NCCL's buffers take on each GPU that talks to others. */
const NCCL_GIB = 0.35;
/** The CUDA context: outside vLLM's share, but on the same card. */
const CONTEXT_GIB = 0.35;
const GRAPHS_GIB = 0.1;
const GRAPH_GIB = 0.01;
/** How far activations and graphs may be off, and what vLLM itself keeps back when it suggests a size. */
const DOUBT_SHARE = 0.4;
const SAFETY_GIB = 0.15;
/** Less than this share of the card outside vLLM's is too little for what nobody measures: fragments, log probabilities, compilers. */
const LEAST_OUTSIDE_SHARE = 0.03;

export interface FitModel {
  readonly shape: ModelShape;
  /** Of the variant, image encoder included where it has one and `language_model_only` is not set. */
  readonly weightsGib: number;
  /** Tokens that the model was made for. */
  readonly maxContext: number;
}

/** Where the memory of each GPU goes, in GiB. */
interface FitBudget {
  readonly totalGib: number;
  /** vLLM's share of it. */
  readonly requestedGib: number;
  readonly weightsGib: number;
  readonly activationsGib: number;
  readonly graphsGib: number;
  /** The CUDA libraries' own, NCCL's among them. */
  readonly otherGib: number;
  /** What is left for the KV cache; negative when nothing is. */
  readonly kvCacheGib: number;
  /** One request of the full length. */
  readonly requestGib: number;
  /** Left outside vLLM's share, the CUDA context taken off. */
  readonly outsideGib: number;
}

export interface Fit {
  /** tight: by the arithmetic it fits, but not by more than the arithmetic may be wrong. */
  readonly verdict: 'fits' | 'tight' | 'no';
  /** What is missing. weights: they are larger than the card. kv-zero: nothing is left for the cache. kv-too-small: less than one request. */
  readonly cause: 'weights' | 'kv-zero' | 'kv-too-small' | null;
  readonly budget: FitBudget;
  /** What was asked for; what fits, where that was left to vLLM. */
  readonly contextTokens: number;
  /** The longest request that fits with otherwise these settings; 0 when none does. */
  readonly largestContextTokens: number;
  /** Requests of the full length that fit at once: vLLM's "maximum concurrency". */
  readonly concurrency: number;
  /** Tokens that the cache holds if all are in requests of the full length. */
  readonly cacheTokens: number;
  /** The least gpu_memory_utilization with which one request of the full length fits. */
  readonly leastUtilization: number;
  /** In plain words. */
  readonly reason: string;
}

/** Whether a model fits a GPU (each of its GPUs) with these settings. `memoryGib` is what CUDA divides. */
export function estimateFit(model: FitModel, flags: FitFlags, memoryGib: number): Fit {
  const { shape } = model;
  const spent = spending(model, flags);
  const used = spent.weightsGib + spent.activationsGib + spent.graphsGib + spent.otherGib;
  const requestedGib = memoryGib * flags.utilization;
  const kvCacheGib = requestedGib - used;
  const largest = kvCacheGib <= 0 ? 0 : longestRequest(shape, flags.kv, kvCacheGib * GIB, model.maxContext);
  const contextTokens = flags.maxModelLen === 'auto' ? largest : (flags.maxModelLen ?? model.maxContext);
  const requestGib = kvBytesPerRequest(shape, flags.kv, contextTokens) / GIB;
  const concurrency = contextTokens === 0 ? 0 : Math.max(0, kvCacheGib / requestGib);
  const outsideGib = memoryGib - requestedGib - CONTEXT_GIB;
  const budget = { ...spent, totalGib: memoryGib, requestedGib, kvCacheGib, requestGib, outsideGib };
  const cause = causeOf(budget, concurrency);
  const doubtGib = DOUBT_SHARE * (spent.activationsGib + spent.graphsGib) + SAFETY_GIB;
  const isTight = kvCacheGib - doubtGib < requestGib || outsideGib < LEAST_OUTSIDE_SHARE * memoryGib;
  const fit = {
    verdict: cause === null ? (isTight ? 'tight' : 'fits') : 'no',
    cause,
    budget,
    contextTokens,
    largestContextTokens: largest,
    concurrency,
    cacheTokens: Math.floor(concurrency * contextTokens),
    leastUtilization: Math.ceil(((used + requestGib) / memoryGib) * 100) / 100,
  } as const;
  return { ...fit, reason: explainFit(fit) };
}

function spending({ shape, weightsGib }: FitModel, flags: FitFlags) {
  const { tensorParallel, pipelineParallel } = flags.kv;
  const gpus = tensorParallel * pipelineParallel;
  const width = shape.intermediate * (shape.experts?.active ?? 1);
  const stepBytes = flags.maxNumBatchedTokens * ((3 * width) / tensorParallel + 6 * shape.hidden) * 2;
  const samplerBytes = flags.maxNumSeqs * shape.vocabulary * SAMPLER_BYTES;
  const vision = flags.languageModelOnly ? 0 : (shape.vision?.profiling_gib ?? 0);
  const layers = shape.layers / pipelineParallel;
  return {
    weightsGib: Math.max(0, (weightsGib - flags.cpuOffloadGib * gpus) / gpus),
    activationsGib: (stepBytes + samplerBytes) / GIB + vision,
    graphsGib: flags.captureSizes === 0 ? 0 : GRAPHS_GIB + (GRAPH_GIB * flags.captureSizes * layers) / 32,
    otherGib: NON_TORCH_GIB + (gpus > 1 ? NCCL_GIB : 0),
  };
}

function causeOf({ weightsGib, otherGib, totalGib, kvCacheGib }: FitBudget, concurrency: number): Fit['cause'] {
  if (weightsGib + otherGib + CONTEXT_GIB > totalGib) return 'weights';
  if (kvCacheGib <= 0) return 'kv-zero';
  return concurrency < 1 ? 'kv-too-small' : null;
}

function explainFit({ verdict, cause, budget, contextTokens, largestContextTokens, concurrency }: Omit<Fit, 'reason'>): string {
  const gib = (amount: number) => `${Math.max(0, amount).toFixed(1)} GiB`;
  const { weightsGib, totalGib, requestedGib, kvCacheGib, requestGib, outsideGib } = budget;
  switch (cause) {
    case 'weights':
      return `Its weights alone take ${gib(weightsGib)} and the GPU has ${gib(totalGib)}.`;
    case 'kv-zero':
      return `Weights (${gib(weightsGib)}) and working memory (${gib(requestedGib - kvCacheGib - weightsGib)}) leave nothing of vLLM’s ${gib(requestedGib)} for the KV cache.`;
    case 'kv-too-small':
      return `A request of ${contextTokens} tokens takes ${gib(requestGib)} of KV cache and ${gib(kvCacheGib)} are left; ${largestContextTokens} tokens fit.`;
    case null: {
      const holds = `The KV cache has ${gib(kvCacheGib)}: ${concurrency.toFixed(1)} requests of ${contextTokens} tokens at once.`;
      if (verdict === 'fits') return holds;
      const doubt =
        outsideGib < LEAST_OUTSIDE_SHARE * totalGib
          ? `only ${gib(outsideGib)} stay free outside vLLM’s share`
          : 'an estimate may be off by that much';
      return `${holds} Tight: ${doubt}.`;
    }
  }
}

/** The weights to compute with: the image encoder's stay away when only the language model is loaded. */
export function loadedWeightsGib(shape: ModelShape, weightsGib: number, languageModelOnly: boolean): number {
  return weightsGib - (languageModelOnly ? visionGib(shape) : 0);
}
