import type { SimulatedGpu } from '../card/simulated-gpu.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';
import type { Step } from './step.ts';

const GIB = 2 ** 30;
/** Shares of the card's nominal bandwidth and arithmetic that real kernels reach. */
const BANDWIDTH_SHARE = 0.7;
const PREFILL_SHARE = 0.5;
/** Decoding multiplies small matrices, which fills the card worse than a prompt does. */
const DECODE_SHARE = 0.25;

/** What a step costs, in milliseconds, term by term. */
export interface StepCost {
  readonly fixedMs: number;
  /** Reading the weights once. */
  readonly weightsMs: number;
  readonly msPerContextToken: number;
  readonly msPerPrefillToken: number;
  readonly msPerDecodeToken: number;
  /** Floating-point operations a token, for the engine's estimates. */
  readonly flopsPerToken: number;
  readonly kvBytesPerToken: number;
  readonly weightBytes: number;
}

/** The cost of steps of `model` on `gpu`: weights and context at the memory's speed, prompts at the arithmetic's. */
export function stepCost(
  gpu: SimulatedGpu,
  model: SimulatedModel,
  options: { enforceEager: boolean; kvCacheBytesPerElement: number },
): StepCost {
  const bytesPerMs = gpu.bandwidthGbPerS * 1e6 * BANDWIDTH_SHARE;
  const flopsPerMs = gpu.tflops * 1e9;
  const weightBytes = model.weightsGib * GIB * (model.activeB / model.parametersB);
  const kvBytesPerToken = 2 * model.layers * model.kvHeads * model.headDim * options.kvCacheBytesPerElement;
  const flopsPerToken = 2 * model.activeB * 1e9;
  return {
    // Without CUDA graphs every kernel of every layer is launched one by one.
    fixedMs: options.enforceEager ? 1 + 0.15 * model.layers : 1,
    weightsMs: weightBytes / bytesPerMs,
    msPerContextToken: kvBytesPerToken / bytesPerMs,
    msPerPrefillToken: flopsPerToken / (flopsPerMs * PREFILL_SHARE),
    msPerDecodeToken: flopsPerToken / (flopsPerMs * DECODE_SHARE),
    flopsPerToken,
    kvBytesPerToken,
    weightBytes,
  };
}

/** How long `step` takes, in milliseconds. */
export function stepMs(cost: StepCost, step: Step): number {
  return (
    cost.fixedMs +
    cost.weightsMs +
    cost.msPerContextToken * step.contextTokens +
    cost.msPerPrefillToken * step.prefillTokens +
    cost.msPerDecodeToken * step.decodeTokens
  );
}
