import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import type { KvLayout } from './kv.ts';
import { kvElement } from './kv.ts';
import type { EngineSettings } from '../profile/schema.ts';

/** The settings of `vllm serve` that decide where the memory goes, with vLLM's own values where none are set. */
export interface FitFlags {
  readonly utilization: number;
  /** null: as long as the model allows; 'auto': as long as fits. */
  readonly maxModelLen: number | 'auto' | null;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** Batch sizes that CUDA graphs are captured for; 0: none are. */
  readonly captureSizes: number;
  readonly languageModelOnly: boolean;
  readonly cpuOffloadGib: number;
  readonly kv: KvLayout;
}

export const DEFAULT_UTILIZATION = 0.92;

/** What a card means for vLLM's defaults. */
export interface DefaultsCard {
  readonly memoryGib: number;
  readonly computeCap: number | null;
}

/** Sequences and tokens a step that vLLM's API server takes when it is told nothing. */
export function batchDefaults({ memoryGib, computeCap }: DefaultsCard): { readonly seqs: number; readonly tokens: number } {
  if (memoryGib >= 160) return { seqs: 1024, tokens: 16_384 };
  // An A100 (8.0) is treated as the small ones whatever its memory.
  if (memoryGib >= 70 && computeCap !== 8) return { seqs: 1024, tokens: 8192 };
  return { seqs: 256, tokens: 2048 };
}

/** Reads the settings of an engine. */
export function readFitFlags(engine: EngineSettings, card: DefaultsCard): FitFlags {
  const defaults = batchDefaults(card);
  const maxNumSeqs = count(engine['max_num_seqs']) ?? defaults.seqs;
  const maxNumBatchedTokens = count(engine['max_num_batched_tokens']) ?? Math.max(defaults.tokens, maxNumSeqs);
  const element = kvElement(String(engine['kv_cache_dtype'] ?? 'auto'));
  const isSynchronous = engine['async_scheduling'] === false;
  return {
    utilization: number(engine['gpu_memory_utilization']) ?? DEFAULT_UTILIZATION,
    maxModelLen: contextLength(engine['max_model_len']),
    maxNumSeqs,
    maxNumBatchedTokens,
    captureSizes: captureSizes(engine, maxNumSeqs, maxNumBatchedTokens),
    languageModelOnly: engine['language_model_only'] === true,
    cpuOffloadGib: number(engine['cpu_offload_gb']) ?? 0,
    kv: {
      elementBytes: element.bytes,
      scaleBytes: element.scale,
      tokensInFlight: (isSynchronous ? 1 : 2) * maxNumBatchedTokens,
      hybrid: engine['disable_hybrid_kv_cache_manager'] !== true,
      tensorParallel: count(engine['tensor_parallel_size']) ?? 1,
      pipelineParallel: count(engine['pipeline_parallel_size']) ?? 1,
    },
  };
}

function captureSizes(engine: EngineSettings, seqs: number, tokens: number): number {
  const listed = engine['cudagraph_capture_sizes'];
  if (engine['enforce_eager'] === true || String(engine['optimization_level'] ?? '') === '0') return 0;
  if (Array.isArray(listed)) return listed.length;
  const largest = Math.min(count(engine['max_cudagraph_capture_size']) ?? Math.min(2 * seqs, 512), tokens);
  // 1, 2, 4, then every 8 up to 248, then every 16.
  const small = [1, 2, 4].filter((size) => size <= largest).length;
  return small + Math.floor(Math.min(largest, 248) / 8) + Math.max(0, Math.floor((largest - 256) / 16) + 1);
}

/** vLLM's lengths: 8192, "8k" (8000), "8K" (8192), "auto" or -1. */
function contextLength(value: EngineValue | undefined): number | 'auto' | null {
  if (value === 'auto' || value === -1 || value === '-1') return 'auto';
  return count(value);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 2 ** 10, m: 1e6, M: 2 ** 20, g: 1e9, G: 2 ** 30 };

function count(value: EngineValue | undefined): number | null {
  const match = /^(\d+(?:\.\d+)?)([kKmMgG]?)$/.exec(typeof value === 'number' || typeof value === 'string' ? String(value) : '');
  const amount = match ? Math.floor(Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1)) : 0;
  return amount > 0 ? amount : null;
}

function number(value: EngineValue | undefined): number | null {
  const parsed = typeof value === 'number' ? value : typeof value === 'string' ? Number.parseFloat(value) : Number.NaN;
  return Number.isFinite(parsed) ? parsed : null;
}
