import type { EngineSettings } from './schema.ts';

/** What stands in the place of something that vLLM no longer has; plain words that finish "instead, …". */
type Replacement = string;

/** Flags that current vLLM refuses as unrecognized, so that the engine would end with code 2. */
const REMOVED_FLAGS: Readonly<Record<string, Replacement>> = {
  swap_space: 'vLLM recomputes preempted requests; kv_offloading_size keeps KV blocks in the memory of the machine',
  disable_log_requests: 'requests are not logged unless enable_log_requests asks for it',
  num_scheduler_steps: 'leave it out: scheduling is asynchronous by itself',
  use_v2_block_manager: 'leave it out: there is only one block manager',
  device: 'leave it out, or name GPUs with device_ids',
  max_seq_len_to_capture: 'use max_cudagraph_capture_size, which counts sequences and not tokens',
  cuda_graph_sizes: 'use cudagraph_capture_sizes',
  guided_decoding_backend: 'use structured_outputs_config',
  enable_reasoning: 'reasoning_parser alone is enough',
  task: 'use runner, and convert where needed',
  calculate_kv_scales: 'leave it out: scales come with the weights',
  rope_scaling: 'use hf_overrides',
  preemption_mode: 'leave it out: preempted requests are always recomputed',
  max_num_partial_prefills: 'use max_num_batched_tokens',
  disable_frontend_multiprocessing: 'leave it out',
};

/** Environment variables that look like vLLM's and are not, or not any more. It only warns of them and goes on without. */
const REMOVED_VARIABLES: Readonly<Record<string, Replacement>> = {
  VLLM_ATTENTION_BACKEND:
    'use the engine setting attention_backend (FLASH_ATTN, FLASHINFER, TRITON_ATTN, FLEX_ATTENTION), or leave the choice to vLLM',
  VLLM_MAX_NUM_SEQS: 'use the engine setting max_num_seqs',
  VLLM_MAX_NUM_BATCHED_TOKENS: 'use the engine setting max_num_batched_tokens',
  VLLM_ENABLE_CHUNKED_PREFILL: 'leave it out: chunked prefill is always on',
};

/**
 * Engine settings that the installed vLLM does not take any more, each with what to do; `known` are its flags, null where nobody asked.
 * A vLLM so old that it still has one is left alone.
 */
export function removedSettings(engine: EngineSettings, known: ReadonlySet<string> | null): string[] {
  return Object.keys(engine).flatMap((key) => {
    const name = key.replaceAll('-', '_');
    const replacement = Object.hasOwn(REMOVED_FLAGS, name) ? REMOVED_FLAGS[name] : undefined;
    if (replacement === undefined || known?.has(flagOf(name))) return [];
    return [`vLLM no longer has ${flagOf(name)}: ${replacement}.`];
  });
}

/** Variables of an environment that vLLM does not heed, each with what to do. */
export function removedVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env).flatMap((name) => {
    const replacement = Object.hasOwn(REMOVED_VARIABLES, name) ? REMOVED_VARIABLES[name] : undefined;
    return replacement === undefined ? [] : [`vLLM has no variable ${name}: ${replacement}.`];
  });
}

/** `max_num_seqs` → `--max-num-seqs` */
export function flagOf(setting: string): string {
  return `--${setting.replaceAll('_', '-')}`;
}
