import type { MemorySettings } from './memory.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';

/** Bytes of keys and values that one request of `tokens` tokens needs on one card, windows considered. */
export function kvBytesPerRequest(model: SimulatedModel, settings: MemorySettings, tokens: number): number {
  const perLayerToken = (2 * model.kvHeads * model.headDim * settings.kvCacheBytesPerElement) / settings.gpuCount;
  const { blockSize } = settings;
  const fullBlocks = Math.ceil(tokens / blockSize);
  if (model.sliding === null) return fullBlocks * blockSize * perLayerToken * model.layers;
  const fullLayers = model.layers - model.sliding.layers;
  // Two batches are in flight at once, so the window's blocks cannot be freed before both are done.
  const inWindow = Math.min(model.sliding.window - 1 + 2 * settings.maxNumBatchedTokens, tokens);
  const windowBlocks = Math.ceil(inWindow / blockSize) + 1;
  return blockSize * perLayerToken * (fullBlocks * fullLayers + windowBlocks * model.sliding.layers);
}

/** The longest request that `bytes` of KV cache hold, in tokens, up to `most`. */
export function longestFit(model: SimulatedModel, settings: MemorySettings, bytes: number, most: number): number {
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (kvBytesPerRequest(model, settings, middle) <= bytes) low = middle;
    else high = middle - 1;
  }
  return low;
}
