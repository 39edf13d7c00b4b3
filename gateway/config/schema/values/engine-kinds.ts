/** What may stand behind a worker's url. `openai`: anything else that speaks OpenAI's API, a provider's service among it. */
export const ENGINE_KINDS = ['vllm', 'sglang', 'tensorrt-llm', 'llama-cpp', 'openai'] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];
