/** A way to store weights. */
interface Quantization {
  /** Bits for each weight of a linear layer, scales and zero points included. */
  readonly bits: number;
  /** vLLM refuses it on cards below. */
  readonly minComputeCap: number;
  /** Only the experts are stored this way; attention stays in 16 bits. */
  readonly expertsOnly?: true;
  /** Activations must be bfloat16. */
  readonly bfloat16Only?: true;
  /** The vLLM plugin that has to be installed. */
  readonly plugin?: string;
}

/** vLLM's builds begin here: Volta and older cards have no kernels in them. */
export const LEAST_COMPUTE_CAP = 7.5;

// A scale of 16 bits for every 128 weights, and a zero point of 4.
const GROUPED_4_BIT = 4 + (16 + 4) / 128;

/** By the name that a model profile uses. Capabilities are those that vLLM's own `get_min_capability` asks for. */
export const QUANTIZATIONS = {
  none: { bits: 16, minComputeCap: 7.5 },
  // Below 8.9 the weights are unpacked to 16 bits for computing: memory is saved, time is not.
  fp8: { bits: 8, minComputeCap: 7.5 },
  int8: { bits: 8, minComputeCap: 7.5 },
  awq: { bits: GROUPED_4_BIT, minComputeCap: 7.5 },
  gptq: { bits: GROUPED_4_BIT, minComputeCap: 7.5 },
  gptq_int8: { bits: 8 + 16 / 128, minComputeCap: 7.5 },
  w4a16: { bits: GROUPED_4_BIT, minComputeCap: 7.5 },
  nvfp4: { bits: 4.5, minComputeCap: 7.5 },
  // Turing has no MXFP4 kernel: neither Triton's nor Marlin's.
  mxfp4: { bits: 4.25, minComputeCap: 8, expertsOnly: true, bfloat16Only: true },
  bitsandbytes: { bits: 4.5, minComputeCap: 7.5, plugin: 'vllm-bnb-plugin' },
  gguf: { bits: 4.5, minComputeCap: 7.5, plugin: 'vllm-gguf-plugin' },
} as const satisfies Readonly<Record<string, Quantization>>;

export type QuantizationName = keyof typeof QUANTIZATIONS;

export function quantization(name: QuantizationName): Quantization {
  return QUANTIZATIONS[name];
}
