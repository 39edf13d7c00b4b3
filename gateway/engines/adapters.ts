import type { EngineKind } from '../config/schema/values/engine-kinds.ts';
import type { EngineAdapter } from './adapter.ts';
import { LLAMA_CPP } from './llama-cpp.ts';
import { OPENAI } from './openai.ts';
import { SGLANG } from './sglang.ts';
import { TENSORRT_LLM } from './tensorrt-llm.ts';
import { VLLM } from './vllm.ts';

export const ADAPTERS: Readonly<Record<EngineKind, EngineAdapter>> = {
  vllm: VLLM,
  sglang: SGLANG,
  'tensorrt-llm': TENSORRT_LLM,
  'llama-cpp': LLAMA_CPP,
  openai: OPENAI,
};

/** By what a worker's view says of its engine: the simulated one, and one that is not known yet, are taken for vLLM. */
export function adapterOf({ engine }: { readonly engine: string | null }): EngineAdapter {
  return engine !== null && Object.hasOwn(ADAPTERS, engine) ? ADAPTERS[engine as EngineKind] : VLLM;
}
