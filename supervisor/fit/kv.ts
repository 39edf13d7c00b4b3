import type { ModelShape } from '../profile/schema.ts';

/** What the KV cache is made of. */
export interface KvLayout {
  /** Bytes of one number. */
  readonly elementBytes: number;
  /** Bytes that a head's scale takes for each token, where every token has one. */
  readonly scaleBytes: number;
  /** Tokens that may be scheduled and not yet finished: with asynchronous scheduling two batches. */
  readonly tokensInFlight: number;
  /** Sliding layers keep their window only. */
  readonly hybrid: boolean;
  readonly tensorParallel: number;
  readonly pipelineParallel: number;
}

const BLOCK_TOKENS = 16;

const ELEMENTS: readonly (readonly [RegExp, { readonly bytes: number; readonly scale: number }])[] = [
  [/^int8_per_token_head|^fp8_per_token_head/, { bytes: 1, scale: 4 }],
  [/^int4_per_token_head/, { bytes: 0.5, scale: 4 }],
  [/^nvfp4/, { bytes: 0.5625, scale: 0 }],
  [/^fp8/, { bytes: 1, scale: 0 }],
];

/** Bytes of one number in a cache of this `kv_cache_dtype`, and of each token's scale. */
export function kvElement(dtype: string): { readonly bytes: number; readonly scale: number } {
  return ELEMENTS.find(([pattern]) => pattern.test(dtype))?.[1] ?? { bytes: 2, scale: 0 };
}

/**
 * Bytes of the KV cache that one request of `tokens` tokens takes on each GPU, in vLLM's blocks. A model with sliding and full layers is
 * divided into groups of equal size, as many layers each as the smaller kind has; a block is a block in every group.
 */
export function kvBytesPerRequest(shape: ModelShape, layout: KvLayout, tokens: number): number {
  const layers = Math.ceil(shape.layers / layout.pipelineParallel);
  const blockBytes = BLOCK_TOKENS * layerBytes(shape, layout);
  const full = Math.ceil(tokens / BLOCK_TOKENS);
  if (!shape.sliding || !layout.hybrid) return full * layers * blockBytes;
  const slidingLayers = Math.round((shape.sliding.layers * layers) / shape.layers);
  const fullLayers = layers - slidingLayers;
  const groupSize = Math.max(1, Math.min(fullLayers, slidingLayers) || Math.max(fullLayers, slidingLayers));
  const seen = Math.min(shape.sliding.window - 1 + layout.tokensInFlight, tokens);
  const windowed = Math.ceil(seen / BLOCK_TOKENS) + 1;
  const blocks = full * Math.ceil(fullLayers / groupSize) + windowed * Math.ceil(slidingLayers / groupSize);
  return blocks * groupSize * blockBytes;
}

/** Bytes of one token in one layer, on each GPU. */
function layerBytes(shape: ModelShape, layout: KvLayout): number {
  // MLA keeps one latent vector for all heads, on every GPU the whole of it.
  if (shape.mla) return (shape.mla.kv_lora_rank + shape.mla.rope_head_dim) * layout.elementBytes;
  const heads = Math.max(1, Math.ceil(shape.kv_heads / layout.tensorParallel));
  return 2 * heads * (shape.head_dim * layout.elementBytes + layout.scaleBytes);
}

/** The longest request that `bytes` hold, in tokens, up to `limit`; 0 when not even a block fits. */
export function longestRequest(shape: ModelShape, layout: KvLayout, bytes: number, limit: number): number {
  let low = 0;
  let high = limit;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (kvBytesPerRequest(shape, layout, middle) <= bytes) low = middle;
    else high = middle - 1;
  }
  return low;
}
