/** How a model's weights are stored. */
export type WeightFormat = '16-bit' | '8-bit' | '4-bit' | 'mxfp4';

/** The numbers of a model that memory and time depend on. */
export interface SimulatedModel {
  readonly architecture: string;
  /** Billions of parameters. */
  readonly parametersB: number;
  /** Billions of parameters that one token passes through: fewer than all of them in a mixture of experts. */
  readonly activeB: number;
  readonly format: WeightFormat;
  readonly weightsGib: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  /** Width of the feed-forward layer that one token uses. */
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly maxContext: number;
  /** Layers that only see a window, how many there are for each full one, and the window in tokens; null when every layer is full. */
  readonly sliding: { readonly layers: number; readonly window: number } | null;
  /** Extra GiB that the image part asks for while profiling. */
  readonly visionGib: number;
  /** Weights of the image part, GiB; not loaded with `--language-model-only`. */
  readonly visionWeightsGib: number;
  /** true: does not run in float16. */
  readonly needsBfloat16: boolean;
}

type Shape = Omit<SimulatedModel, 'format' | 'weightsGib'> & { readonly weights: Readonly<Record<'16-bit' | '8-bit' | '4-bit', number>> };

const FULL = { sliding: null, visionGib: 0, visionWeightsGib: 0, needsBfloat16: false } as const;

/** Models with known figures, by a pattern of their name. */
const KNOWN: readonly (readonly [RegExp, Shape])[] = [
  [
    /gemma-3-12b/i,
    {
      architecture: 'Gemma3ForConditionalGeneration',
      parametersB: 12.19,
      activeB: 12.19,
      layers: 48,
      kvHeads: 8,
      headDim: 256,
      hidden: 3840,
      intermediate: 15360,
      vocabulary: 262208,
      maxContext: 131072,
      sliding: { layers: 40, window: 1024 },
      visionGib: 0.9,
      visionWeightsGib: 0.78,
      needsBfloat16: true,
      weights: { '16-bit': 22.7, '8-bit': 12.7, '4-bit': 7.87 },
    },
  ],
  [
    /gpt-oss-20b/i,
    {
      architecture: 'GptOssForCausalLM',
      parametersB: 20.9,
      activeB: 3.6,
      layers: 24,
      kvHeads: 8,
      headDim: 64,
      hidden: 2880,
      intermediate: 11520,
      vocabulary: 201088,
      maxContext: 131072,
      sliding: { layers: 12, window: 128 },
      visionGib: 0,
      visionWeightsGib: 0,
      needsBfloat16: true,
      weights: { '16-bit': 13, '8-bit': 13, '4-bit': 13 },
    },
  ],
  [
    /mistral-7b/i,
    {
      ...FULL,
      architecture: 'MistralForCausalLM',
      parametersB: 7.25,
      activeB: 7.25,
      layers: 32,
      kvHeads: 8,
      headDim: 128,
      hidden: 4096,
      intermediate: 14336,
      vocabulary: 32768,
      maxContext: 32768,
      weights: { '16-bit': 13.5, '8-bit': 7, '4-bit': 3.88 },
    },
  ],
  [
    /qwen2\.5-14b/i,
    {
      ...FULL,
      architecture: 'Qwen2ForCausalLM',
      parametersB: 14.77,
      activeB: 14.77,
      layers: 48,
      kvHeads: 8,
      headDim: 128,
      hidden: 5120,
      intermediate: 13824,
      vocabulary: 152064,
      maxContext: 32768,
      weights: { '16-bit': 27.5, '8-bit': 15.2, '4-bit': 9.3 },
    },
  ],
  [
    /llama-3\.1-8b/i,
    {
      ...FULL,
      architecture: 'LlamaForCausalLM',
      parametersB: 8.03,
      activeB: 8.03,
      layers: 32,
      kvHeads: 8,
      headDim: 128,
      hidden: 4096,
      intermediate: 14336,
      vocabulary: 128256,
      maxContext: 131072,
      weights: { '16-bit': 14.96, '8-bit': 8.47, '4-bit': 5.33 },
    },
  ],
  [
    /qwen2\.5-1\.5b/i,
    {
      ...FULL,
      architecture: 'Qwen2ForCausalLM',
      parametersB: 1.54,
      activeB: 1.54,
      layers: 28,
      kvHeads: 2,
      headDim: 128,
      hidden: 1536,
      intermediate: 8960,
      vocabulary: 151936,
      maxContext: 32768,
      weights: { '16-bit': 2.88, '8-bit': 1.65, '4-bit': 1.07 },
    },
  ],
];

/** The weights' format, from the `--quantization` flag or the words that publishers put into names. */
function weightFormat(name: string, quantization: string | null): WeightFormat {
  const words = `${name} ${quantization ?? ''}`;
  if (/gpt-oss|mxfp4/i.test(words)) return 'mxfp4';
  if (/awq|gptq|4-?bit|int4|w4a16|nf4|nvfp4|bitsandbytes/i.test(words)) return '4-bit';
  if (/fp8|int8|8-?bit|w8a/i.test(words)) return '8-bit';
  return '16-bit';
}

/** Billions of parameters in a name such as `Qwen2.5-1.5B-Instruct`; null when it says nothing. */
function parametersInName(name: string): number | null {
  const match = /(?:^|[^a-z0-9.])(\d+(?:\.\d+)?)(b|m)(?![a-z0-9])/i.exec(name.split('/').at(-1) ?? name);
  if (match === null) return null;
  return Number(match[1]) * (match[2]!.toLowerCase() === 'm' ? 0.001 : 1);
}

/** A plausible shape for a model of `parametersB` billions that is not in the table. */
function guessShape(parametersB: number): Shape {
  const large = parametersB > 20;
  const small = parametersB < 3;
  const hidden = large ? 8192 : small ? 1536 : 4096;
  return {
    ...FULL,
    architecture: 'LlamaForCausalLM',
    parametersB,
    activeB: parametersB,
    layers: large ? 80 : small ? 24 : 32,
    kvHeads: small ? 2 : 8,
    headDim: 128,
    hidden,
    intermediate: Math.round(hidden * 3.5),
    vocabulary: 128256,
    maxContext: 32768,
    weights: {
      '16-bit': (parametersB * 2e9) / 2 ** 30,
      '8-bit': (parametersB * 1.12e9) / 2 ** 30,
      '4-bit': (parametersB * 0.64e9) / 2 ** 30,
    },
  };
}

/** What is known, or guessed from its name, of the model `vllm serve` was given. Without a size in the name: one billion parameters. */
export function describeModel(name: string, quantization: string | null): SimulatedModel {
  const shape = KNOWN.find(([pattern]) => pattern.test(name))?.[1] ?? guessShape(parametersInName(name) ?? 1);
  const format = weightFormat(name, quantization);
  const { weights, ...rest } = shape;
  return { ...rest, format, weightsGib: weights[format === 'mxfp4' ? '4-bit' : format] };
}
