import { asked, DONE, event, json } from './chat.ts';
import type { StubAnswer, StubRequest, StubShapes } from './stub.ts';

// Shapes: test/gateway/engines/recorded/README.md.

const METRICS = `# HELP sglang:num_running_reqs The number of running requests.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{engine_type="unified",model_name="m",pp_rank="0",tp_rank="0"} 3.0
# HELP sglang:num_queue_reqs The number of requests in the waiting queue.
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{engine_type="unified",model_name="m",pp_rank="0",tp_rank="0"} 2.0
# HELP sglang:token_usage The token usage.
# TYPE sglang:token_usage gauge
sglang:token_usage{engine_type="unified",model_name="m",pp_rank="0",tp_rank="0"} 0.25
# HELP sglang:prompt_tokens_total Number of prefill tokens processed.
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{model_name="m"} 128.0
# HELP sglang:generation_tokens_total Number of generation tokens processed.
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{model_name="m"} 64.0
`;

/** As /v1/loads?include=core tells it, of two data-parallel ranks. */
export const LOADS = JSON.stringify({
  timestamp: '2026-10-01T00:00:00+00:00',
  version: '0.5.23',
  accelerator: null,
  num_accelerators: 1,
  loads: [0, 1].map((rank) => ({
    ...{ timestamp: 1, dp_rank: rank, num_running_reqs: 2, num_waiting_reqs: rank, num_used_tokens: 40, num_total_tokens: 50 },
    ...{ max_total_num_tokens: 1000, max_running_requests: 64, token_usage: 0.04 + rank / 10, gen_throughput: 10, cache_hit_rate: 0 },
    ...{ utilization: 0, total_prefill_uncached_tokens: 100, total_prefill_busy_us: 5 },
  })),
});

export function sglangError(message: string, code: number, type = 'BadRequest'): StubAnswer {
  return json({ object: 'error', message, type, param: null, code }, code);
}

const USAGE = { prompt_tokens: 7, total_tokens: 9, completion_tokens: 2, prompt_tokens_details: null, reasoning_tokens: 0 };

function chat(request: StubRequest): StubAnswer {
  const { stream, usage } = asked(request);
  const head = { id: '4d1c', object: 'chat.completion.chunk', created: 1, model: 'm' };
  if (!stream) {
    const message = { role: 'assistant', content: 'Hello', reasoning_content: null, tool_calls: null };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop', matched_stop: 2 }];
    return json({ ...head, object: 'chat.completion', choices, usage: USAGE, metadata: { weight_version: 'default' } });
  }
  const delta = (content: string, role: string | null, finish: string | null) =>
    event({
      ...head,
      choices: [{ index: 0, delta: { role, content, reasoning_content: null, tool_calls: null }, logprobs: null, finish_reason: finish }],
      usage: null,
    });
  const tail = usage ? [event({ ...head, choices: [], usage: USAGE })] : [];
  return {
    type: 'text/event-stream; charset=utf-8',
    body: [delta('', 'assistant', null), delta('Hel', null, null), delta('lo', null, null), delta('', null, 'stop'), ...tail, DONE],
  };
}

/** `metrics`: whether it was started with --enable-metrics. */
export function sglangShapes({ metrics = true, models = ['m'] } = {}): StubShapes {
  const cards = models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'sglang', root: id, parent: null, max_model_len: 4096 }));
  return {
    kind: 'sglang',
    pages: {
      '/health': { body: '' },
      '/v1/models': json({ object: 'list', data: cards }),
      '/server_info': json({ model_path: '/models/m', version: '0.5.23', frontend: 'python', internal_states: [{}] }),
      '/v1/loads?include=core': { body: LOADS },
      ...(metrics ? { '/metrics': { type: 'text/plain; version=0.0.4', body: METRICS } } : {}),
    },
    calls: {
      '/v1/chat/completions': chat,
      '/v1/completions': () =>
        json({
          id: 'c',
          object: 'text_completion',
          created: 1,
          model: 'm',
          choices: [{ index: 0, text: 'x', logprobs: null, finish_reason: 'length' }],
          usage: USAGE,
        }),
      '/v1/score': () => json({ scores: [[0.9, 0.1]], model: 'm', usage: USAGE, object: 'scoring' }),
    },
    unknown: json({ detail: 'Not Found' }, 404),
  };
}
