import { asked, DONE, event, json } from './chat.ts';
import type { StubAnswer, StubRequest, StubShapes } from './stub.ts';

// Shapes: test/gateway/engines/recorded/README.md.

/** Two iterations, of which the last counts. */
export const ITERATIONS = JSON.stringify([
  {
    iter: 11,
    numActiveRequests: 5,
    numQueuedRequests: 3,
    kvCacheStats: { maxNumBlocks: 1000, freeNumBlocks: 400, usedNumBlocks: 600, tokensPerBlock: 64 },
  },
  {
    ...{ iter: 12, iterLatencyMS: 15.5, gpuMemUsage: 4_000_000_000, numActiveRequests: 4, numQueuedRequests: 1, maxNumActiveRequests: 10 },
    kvCacheStats: {
      cacheHitRate: 0.85,
      maxNumBlocks: 1000,
      freeNumBlocks: 700,
      usedNumBlocks: 300,
      tokensPerBlock: 64,
      reusedBlocks: 3,
      missedBlocks: 1,
    },
    inflightBatchingStats: { numContextRequests: 1, numGenRequests: 3, numPausedRequests: 0, numScheduledRequests: 4 },
  },
]);

export function trtError(message: string, code = 400): StubAnswer {
  return json({ object: 'error', message, type: 'BadRequestError', param: null, code }, code);
}

const USAGE = { prompt_tokens: 7, total_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 3 } };

function chat(request: StubRequest): StubAnswer {
  const { stream, usage } = asked(request);
  const head = { id: 'chatcmpl-8f', object: 'chat.completion.chunk', created: 1, model: 'm' };
  if (!stream) {
    const choices = [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello', tool_calls: [] },
        logprobs: null,
        finish_reason: 'stop',
        stop_reason: null,
        disaggregated_params: null,
      },
    ];
    return json({ ...head, object: 'chat.completion', choices, usage: USAGE, prompt_token_ids: null });
  }
  const delta = (content: string | null, role: string | null, finish: string | null) =>
    event({
      ...head,
      choices: [{ index: 0, delta: { role, content, tool_calls: [] }, logprobs: null, finish_reason: finish, stop_reason: null }],
      usage: null,
    });
  const tail = usage ? [event({ ...head, choices: [], usage: USAGE })] : [];
  return {
    type: 'text/event-stream; charset=utf-8',
    body: [delta('', 'assistant', null), delta('Hel', null, null), delta('lo', null, 'stop'), ...tail, DONE],
  };
}

export function trtShapes(): StubShapes {
  return {
    kind: 'tensorrt-llm',
    pages: {
      '/health': { body: '' },
      '/v1/models': json({ object: 'list', data: [{ id: 'm', object: 'model', created: 1, owned_by: 'tensorrt_llm' }] }),
      '/version': json({ version: '1.2.0' }),
      '/metrics': { body: ITERATIONS },
    },
    calls: { '/v1/chat/completions': chat },
    unknown: json({ detail: 'Not Found' }, 404),
  };
}
