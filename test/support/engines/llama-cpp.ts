import { asked, DONE, event, json } from './chat.ts';
import type { StubAnswer, StubRequest, StubShapes } from './stub.ts';

// Shapes: test/gateway/engines/recorded/README.md. Keys are in the order of the alphabet, as that server writes them.

const METRICS = `# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed, excluding cached tokens
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 120
# HELP llamacpp:tokens_predicted_total Number of generation tokens processed
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 40
# HELP llamacpp:n_decode_total Total number of llama_decode() calls, excluding speculative decoding and multimodal decoding
# TYPE llamacpp:n_decode_total counter
llamacpp:n_decode_total 44
# HELP llamacpp:requests_processing Number of requests processing
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
# HELP llamacpp:requests_deferred Number of requests deferred
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 1
`;

export const SLOTS = JSON.stringify([
  {
    id: 0,
    n_ctx: 512,
    speculative: false,
    is_processing: true,
    id_task: 7,
    n_prompt_tokens_processed: 12,
    next_token: [{ has_next_token: true, n_remain: 4, n_decoded: 3 }],
  },
  { id: 1, n_ctx: 512, speculative: false, is_processing: false },
]);

export function llamaError(message: string, code: number, type: string, more: Record<string, number> = {}): StubAnswer {
  return json({ error: { code, message, type, ...more } }, code);
}

export const LOADING = llamaError('Loading model', 503, 'unavailable_error');

const TIMINGS = {
  cache_n: 2,
  prompt_n: 5,
  prompt_ms: 1.5,
  prompt_per_token_ms: 0.3,
  prompt_per_second: 3333.3,
  predicted_n: 2,
  predicted_ms: 4.2,
  predicted_per_token_ms: 2.1,
  predicted_per_second: 476.2,
};
const USAGE = { completion_tokens: 2, prompt_tokens: 7, total_tokens: 9, prompt_tokens_details: { cached_tokens: 2 } };

function chat(request: StubRequest): StubAnswer {
  const { stream, usage } = asked(request);
  const tail = { created: 1, id: 'chatcmpl-Zk', model: 'm', system_fingerprint: 'b9999-0c1e570' };
  if (!stream) {
    const choices = [{ finish_reason: 'stop', index: 0, message: { role: 'assistant', content: 'Hello' } }];
    return json({ choices, ...tail, object: 'chat.completion', usage: USAGE, timings: TIMINGS });
  }
  const chunk = (delta: Record<string, unknown>, finish: string | null, more: Record<string, unknown> = {}) =>
    event({ choices: [{ finish_reason: finish, index: 0, delta }], ...tail, object: 'chat.completion.chunk', ...more });
  const last = usage
    ? [chunk({}, 'stop'), event({ choices: [], ...tail, object: 'chat.completion.chunk', usage: USAGE, timings: TIMINGS })]
    : [chunk({}, 'stop', { timings: TIMINGS })];
  // The first chunk holds two events.
  return {
    body: [
      chunk({ role: 'assistant', content: null }, null) + chunk({ content: 'Hel' }, null),
      chunk({ content: 'lo' }, null),
      last.join(''),
      DONE,
    ],
  };
}

/** `metrics`: whether it was started with --metrics. */
export function llamaShapes({ metrics = true } = {}): StubShapes {
  const off = llamaError('This server does not support metrics endpoint. Start it with `--metrics`', 501, 'not_supported_error');
  const meta = { vocab_type: 2, n_vocab: 256, n_ctx: 512, n_ctx_train: 1024, n_embd: 64, n_params: 1000, size: 4000, ftype: 'F32' };
  return {
    kind: 'llama-cpp',
    pages: {
      '/health': json({ status: 'ok' }),
      '/v1/models': json({
        models: [{ name: 'm', model: 'm' }],
        object: 'list',
        data: [{ id: 'm', aliases: ['m'], tags: [], object: 'model', created: 1, owned_by: 'llamacpp', meta }],
      }),
      '/props': json({ total_slots: 2, model_path: 'm.gguf', build_info: 'b9999-0c1e570', is_sleeping: false }),
      '/metrics': metrics ? { type: 'text/plain; version=0.0.4', body: METRICS } : off,
      '/slots': { body: SLOTS },
    },
    calls: { '/v1/chat/completions': chat },
    unknown: llamaError('File Not Found', 404, 'not_found_error'),
  };
}
