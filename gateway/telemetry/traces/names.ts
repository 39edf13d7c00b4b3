/*
 * Names of attributes. `http.*`, `url.*`, `server.*` and `error.type` are those of the stable conventions for HTTP (semconv 1.44). `gen_ai.*`
 * are the conventions for generative AI as of November 2026 (opt-in `gen_ai_latest_experimental`): they are under development, and this file
 * is where they change. `headgate.*` are our own.
 */
export const NAMES = {
  method: 'http.request.method',
  route: 'http.route',
  path: 'url.path',
  scheme: 'url.scheme',
  status: 'http.response.status_code',
  requestBytes: 'http.request.body.size',
  responseBytes: 'http.response.body.size',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',

  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  stream: 'gen_ai.request.stream',
  maxTokens: 'gen_ai.request.max_tokens',
  choices: 'gen_ai.request.choice.count',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunkSeconds: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',

  requestId: 'headgate.request.id',
  outcome: 'headgate.outcome',
  code: 'headgate.code',
  reason: 'headgate.reason',
  phase: 'headgate.phase',
  kept: 'headgate.kept',
  key: 'headgate.key',
  priority: 'headgate.priority',
  cache: 'headgate.cache',
  isReplay: 'headgate.replayed',
  attempts: 'headgate.attempts',
  queueMs: 'headgate.queue_ms',
  windowMs: 'headgate.window_ms',
  batch: 'headgate.batch.id',
  worker: 'headgate.worker.id',
  attempt: 'headgate.attempt',
  retryReason: 'headgate.retry.reason',
  fallback: 'headgate.fallback.model',
  fallbackReason: 'headgate.fallback.reason',
  resumes: 'headgate.resumes',
  notResumed: 'headgate.not_resumed',
} as const;

/** The event of a stream's first token. */
export const FIRST_TOKEN = 'first_token';
/** The event of a stream that goes on at another worker. */
export const RESUMED = 'resumed';

export const PROVIDER = 'vllm';

const OPERATIONS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/chat/completions/batch': 'chat',
  '/v1/responses': 'chat',
  '/v1/messages': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/embeddings': 'embeddings',
  '/v2/embed': 'embeddings',
};

/** What a route asks of a model. The conventions name few; others go by their path. */
export function operationOf(route: string): string {
  return OPERATIONS[route] ?? route.replace(/^\/(?:v\d\/)?/, '').replaceAll('/', '_');
}
