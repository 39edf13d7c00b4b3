import type { SimulatedGpu } from './simulated-gpu.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';

export const GIB = 2 ** 30;
/** What the CUDA context takes before vLLM looks at what is free. */
const CONTEXT_GIB = 0.35;
/** Libraries and communication buffers. */
const NON_TORCH_GIB = 0.25;
/** Bytes for each sequence and each word of the vocabulary while next tokens are picked: logits, probabilities, their sorted copies. */
const SAMPLER_BYTES = 22;
/** Bytes for each token of a prompt and each word of the vocabulary when the prompt's logprobs are wanted: logits, in float32 too, and logarithms. */
const PROMPT_LOGPROB_BYTES = 12;
const GRAPH_BASE_GIB = 0.1;
const GRAPH_GIB_PER_SIZE = 0.01;

/** The settings of `vllm serve` that decide where the memory goes. */
export interface MemorySettings {
  readonly gpuMemoryUtilization: number;
  /** null: as long as the model allows; 'auto': as long as fits. */
  readonly maxModelLen: number | 'auto' | null;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly enforceEager: boolean;
  /** Number of batch sizes that CUDA graphs are captured for. */
  readonly captureSizes: number;
  /** Share of the graphs that the compilation mode captures: half of them where it captures only whole models, or only their pieces. */
  readonly graphShare: number;
  /** vLLM's estimate of the graphs' memory comes out of the budget, as it does by default. */
  readonly graphsInBudget: boolean;
  /** How much larger the graphs turn out than vLLM estimates. */
  readonly graphFactor: number;
  readonly kvCacheBytesPerElement: number;
  /** The size of the KV cache, in place of what the utilization and profiling would give it. */
  readonly kvCacheMemoryBytes: number | null;
  readonly numGpuBlocksOverride: number | null;
  readonly blockSize: number;
  readonly languageModelOnly: boolean;
  readonly cpuOffloadGib: number;
  /** Cards that the model is spread over, evenly. */
  readonly gpuCount: number;
}

/** What a start asks of each card, in GiB. */
interface MemoryNeeds {
  readonly totalGib: number;
  readonly contextGib: number;
  readonly requestedGib: number;
  readonly weightsGib: number;
  readonly nonTorchGib: number;
  /** Activations of a step that is as large as can be, images included. */
  readonly layersGib: number;
  /** Picking the next token of as many sequences as can run. */
  readonly samplerGib: number;
  /** CUDA graphs as vLLM estimates them; 0 without. */
  readonly graphsEstimateGib: number;
  /** CUDA graphs as they turn out. */
  readonly graphsGib: number;
}

/** The needs of `model` on `gpu` with these settings. */
export function memoryNeeds(gpu: SimulatedGpu, model: SimulatedModel, settings: MemorySettings): MemoryNeeds {
  const { gpuCount, maxNumBatchedTokens, maxNumSeqs } = settings;
  const visionWeightsGib = settings.languageModelOnly ? model.visionWeightsGib : 0;
  const layerBytes = maxNumBatchedTokens * ((3 * model.intermediate) / gpuCount + 6 * model.hidden) * 2;
  const graphsGib = settings.enforceEager
    ? 0
    : GRAPH_BASE_GIB + (GRAPH_GIB_PER_SIZE * settings.graphShare * settings.captureSizes * model.layers) / 32;
  return {
    totalGib: gpu.memoryGib,
    contextGib: CONTEXT_GIB,
    requestedGib: gpu.memoryGib * settings.gpuMemoryUtilization,
    weightsGib: Math.max(0.05, (model.weightsGib - visionWeightsGib) / gpuCount - settings.cpuOffloadGib),
    nonTorchGib: NON_TORCH_GIB,
    layersGib: layerBytes / GIB + (settings.languageModelOnly ? 0 : model.visionGib),
    samplerGib: (maxNumSeqs * model.vocabulary * SAMPLER_BYTES) / GIB,
    graphsEstimateGib: settings.graphsInBudget ? graphsGib : 0,
    graphsGib: graphsGib * settings.graphFactor,
  };
}

/** Where the memory of a server that is up has gone. GiB, where nothing else is said. */
export interface MemoryPlan extends MemoryNeeds {
  readonly activationsGib: number;
  readonly kvCacheGib: number;
  /** What the engine core holds on each card, all in all. */
  readonly heldGib: number;
  readonly maxModelLen: number;
  /** Blocks of `blockSize` tokens. */
  readonly numGpuBlocks: number;
  readonly kvCacheTokens: number;
}

/** GiB that the logprobs of a prompt take while the prompt is read, which no start plans for. Long prompts are read in parts. */
export function promptLogprobsGib(model: SimulatedModel, settings: MemorySettings, promptTokens: number): number {
  return (Math.min(promptTokens, settings.maxNumBatchedTokens) * model.vocabulary * PROMPT_LOGPROB_BYTES) / GIB;
}
