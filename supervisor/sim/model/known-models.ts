import type { SimulatedModel } from './simulated-model.ts';

/** A model but for its format, with the size of its weights in each, GiB. */
export type ModelShape = Omit<SimulatedModel, 'format' | 'weightsGib'> & {
  readonly weights: Readonly<Record<'16-bit' | '8-bit' | '4-bit', number>>;
};

/** What most models share: every layer sees everything, and there is no image part. */
export const PLAIN = { sliding: null, visionGib: 0, visionWeightsGib: 0, needsBfloat16: false } as const;

/** Models with known figures, by a pattern of their name. */
export const KNOWN_MODELS: readonly (readonly [RegExp, ModelShape])[] = [
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
      ...PLAIN,
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
      ...PLAIN,
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
      ...PLAIN,
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
      ...PLAIN,
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
