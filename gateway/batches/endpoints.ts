/** What is particular to an endpoint that lines of a batch may be for. */
interface Endpoint {
  /** How OpenAI calls it where it refuses something. */
  readonly name: string;
  /** Other paths to the same, which a line may name: `vllm run-batch` takes them. */
  readonly aliases: readonly string[];
  /** Fields of which a body must have one; the first is what is asked for. */
  readonly needs: readonly string[];
}

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  '/v1/chat/completions': { name: 'Chat Completions', aliases: [], needs: ['messages'] },
  '/v1/completions': { name: 'Completions', aliases: [], needs: ['prompt', 'prompt_embeds'] },
  '/v1/embeddings': { name: 'Embeddings', aliases: [], needs: ['input', 'messages'] },
  '/v1/responses': { name: 'Responses', aliases: [], needs: ['input', 'prompt'] },
  '/v1/score': { name: 'Score', aliases: ['/score'], needs: [] },
  '/v1/rerank': { name: 'Rerank', aliases: ['/rerank', '/v2/rerank'], needs: [] },
};

/** The endpoints of batches: OpenAI's that workers have, and two of vLLM's own. */
export const BATCH_ENDPOINTS: readonly string[] = Object.keys(ENDPOINTS);

export function endpointOf(path: string): Endpoint {
  const endpoint = ENDPOINTS[path];
  if (!endpoint) throw new Error(`${path} is no endpoint of batches`);
  return endpoint;
}
