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
  /** How many layers see only a window of the context, and that window in tokens. null: every layer sees all of it. */
  readonly sliding: { readonly layers: number; readonly window: number } | null;
  /** Extra GiB that the image part asks for while profiling. */
  readonly visionGib: number;
  /** Weights of the image part, GiB; not loaded with `--language-model-only`. */
  readonly visionWeightsGib: number;
  /** true: the model does not run in float16. */
  readonly needsBfloat16: boolean;
}
