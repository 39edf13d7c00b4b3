import type { EngineSettings, ModelShape } from './schema.ts';

/** Our own engine setting; vLLM never sees it. */
export const GPU_MODE = 'gpu_mode';

/** NCCL on one machine: its first connection goes over loopback, whatever other networks there are, and it says what fails. */
export const MULTI_GPU_ENV: Readonly<Record<string, string>> = {
  NCCL_DEBUG: 'WARN',
  NCCL_SOCKET_IFNAME: 'lo',
  GLOO_SOCKET_IFNAME: 'lo',
};

/** How many GPUs one worker with these settings uses. */
export function gpusOf(engine: EngineSettings): number {
  return sizeIn(engine, 'tensor_parallel_size') * sizeIn(engine, 'pipeline_parallel_size');
}

/**
 * The ways to spread a model over up to `available` GPUs that `gpu_mode` allows, the one with the fewest first. Without a mode there is
 * one way: what tensor_parallel_size and pipeline_parallel_size say. `shape` is null for a model that nobody knows.
 */
export function waysToSpread(engine: EngineSettings, shape: ModelShape | null, available: number): EngineSettings[] {
  const { [GPU_MODE]: mode, ...rest } = engine;
  const over = (tensor: number, pipeline: number) => ({ ...rest, tensor_parallel_size: tensor, pipeline_parallel_size: pipeline });
  const tensors = tensorSizes(shape, available);
  const pipelines = Array.from({ length: Math.max(0, available - 1) }, (_, index) => index + 2);
  switch (mode) {
    case 'tensor':
      return [tensors.length === 0 ? alone(rest) : over(tensors.at(-1) as number, 1)];
    case 'pipeline':
      return [pipelines.length === 0 ? alone(rest) : over(1, pipelines.at(-1) as number)];
    case 'auto':
      // Pipeline stages work one after the other: only beyond where the heads can be divided.
      return [
        alone(rest),
        ...tensors.map((size) => over(size, 1)),
        ...pipelines.filter((size) => size > (tensors.at(-1) ?? 1)).map((size) => over(1, size)),
      ];
    case 'single':
      return [alone(rest)];
    default:
      return [rest];
  }
}

/** Sizes above 1 that divide the attention heads, as tensor parallelism must; small ones first. */
function tensorSizes(shape: ModelShape | null, available: number): number[] {
  const heads = shape?.attention_heads ?? 0;
  const fits = (size: number) =>
    heads > 0 ? heads % size === 0 && (shape!.kv_heads % size === 0 || size % shape!.kv_heads === 0) : Number.isInteger(Math.log2(size));
  return Array.from({ length: Math.max(0, available - 1) }, (_, index) => index + 2).filter(fits);
}

function alone(engine: EngineSettings): EngineSettings {
  const { tensor_parallel_size: _, pipeline_parallel_size: __, ...rest } = engine;
  return rest;
}

function sizeIn(engine: EngineSettings, key: string): number {
  const value = engine[key];
  return typeof value === 'number' && value >= 1 ? Math.floor(value) : 1;
}
