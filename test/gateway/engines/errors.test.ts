import { describe, expect, test } from 'vitest';
import { ADAPTERS } from '../../../gateway/engines/adapters.ts';
import type { EngineKind } from '../../../gateway/config/schema/values/engine-kinds.ts';
import { LOADING, llamaError } from '../../support/engines/llama-cpp.ts';
import { openaiError } from '../../support/engines/openai.ts';
import { sglangError } from '../../support/engines/sglang.ts';
import type { StubAnswer } from '../../support/engines/stub.ts';
import { trtError } from '../../support/engines/tensorrt-llm.ts';

const PATH = '/v1/chat/completions';
const NOT_FOUND: StubAnswer = { status: 404, body: '{"detail":"Not Found"}' };

const CASES: [EngineKind, string, StubAnswer, { kind: string; status: number; code?: string; message?: string }][] = [
  [
    'sglang',
    'a prompt that is too long',
    sglangError("The input (9000 tokens) is longer than the model's context length (4096 tokens).", 400),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded', message: 'longer than' },
  ],
  [
    'sglang',
    'too many tokens in all',
    sglangError("Requested token count exceeds the model's maximum context length of 4096 tokens.", 400),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded' },
  ],
  [
    'sglang',
    'a field that is wrong',
    sglangError('1 validation error for ChatCompletionRequest', 400, 'Bad Request'),
    { kind: 'invalid_value', status: 400, code: 'invalid_value', message: '1 validation error' },
  ],
  ['sglang', 'a full queue', sglangError('The request queue is full.', 503, '503'), { kind: 'worker_busy', status: 503 }],
  ['sglang', 'a failure', sglangError('Internal server error: boom', 500, 'InternalServerError'), { kind: 'upstream_error', status: 502 }],
  ['sglang', 'a path that it lacks', NOT_FOUND, { kind: 'unknown_url', status: 404 }],
  [
    'tensorrt-llm',
    'a prompt that is too long',
    trtError('The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens (69632)'),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded' },
  ],
  [
    'tensorrt-llm',
    'a failure that it calls a bad request',
    trtError('CUDA error: an illegal memory access was encountered'),
    { kind: 'upstream_error', status: 502 },
  ],
  [
    'tensorrt-llm',
    'a field that is wrong',
    { status: 400, body: JSON.stringify({ error: "[{'type': 'missing', 'loc': ('body', 'messages')}]" }) },
    { kind: 'invalid_value', status: 400, message: 'missing' },
  ],
  [
    'tensorrt-llm',
    'what it cannot do',
    trtError('n > 1 is not supported', 501),
    { kind: 'invalid_value', status: 501, code: 'not_implemented' },
  ],
  ['llama-cpp', 'a model that loads', LOADING, { kind: 'worker_busy', status: 503 }],
  [
    'llama-cpp',
    'a prompt that is too long',
    llamaError(
      'request (600 tokens) exceeds the available context size (512 tokens), try increasing it',
      400,
      'exceed_context_size_error',
      { n_prompt_tokens: 600, n_ctx: 512 },
    ),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded' },
  ],
  [
    'llama-cpp',
    'a text that is too long for one pass',
    llamaError(
      'input (900 tokens) is too large to process. increase the physical batch size (current batch size: 512)',
      500,
      'server_error',
    ),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded' },
  ],
  [
    'llama-cpp',
    'a cache that all fill together',
    llamaError('Context size has been exceeded.', 500, 'server_error'),
    { kind: 'worker_busy', status: 503 },
  ],
  ['llama-cpp', 'a failure', llamaError('Compute error.', 500, 'server_error'), { kind: 'upstream_error', status: 502 }],
  ['llama-cpp', 'a path that it lacks', llamaError('File Not Found', 404, 'not_found_error'), { kind: 'unknown_url', status: 404 }],
  [
    'llama-cpp',
    'our key',
    llamaError('Invalid API Key', 401, 'authentication_error'),
    { kind: 'upstream_error', status: 502, message: 'own credentials' },
  ],
  [
    'openai',
    'a prompt that is too long',
    openaiError(
      "This model's maximum context length is 128000 tokens.",
      400,
      'context_length_exceeded',
      'invalid_request_error',
      'messages',
    ),
    { kind: 'invalid_value', status: 400, code: 'context_length_exceeded' },
  ],
  [
    'openai',
    'a field that it does not know',
    openaiError('Unrecognized request argument supplied: top_k', 400, 'unknown_parameter'),
    { kind: 'invalid_value', status: 400, code: 'unknown_parameter' },
  ],
  [
    'openai',
    'too many requests',
    openaiError('Rate limit reached', 429, 'rate_limit_exceeded', 'requests'),
    { kind: 'worker_busy', status: 503 },
  ],
  [
    'openai',
    'a bill that is not paid',
    openaiError('You exceeded your current quota', 429, 'insufficient_quota', 'insufficient_quota'),
    { kind: 'upstream_error', status: 502 },
  ],
  [
    'openai',
    'a balance that is used up',
    { status: 402, body: '{"error":{"message":"Insufficient Balance"}}' },
    { kind: 'upstream_error', status: 502 },
  ],
  [
    'openai',
    'a model that it has not',
    openaiError('The model `x` does not exist', 404, 'model_not_found'),
    { kind: 'invalid_value', status: 404, code: 'model_not_found' },
  ],
  [
    'openai',
    'an overload by another number',
    { status: 529, body: '{"error":{"message":"Overloaded"}}' },
    { kind: 'worker_busy', status: 503 },
  ],
];

describe('what engines mean by their errors', () => {
  test.each(CASES)('%s: %s', (kind, _what, { status = 200, body }, expected) => {
    const error = ADAPTERS[kind].errors.from(status, body as string, PATH);
    expect({ kind: error.kind, status: error.status }).toEqual({ kind: expected.kind, status: expected.status });
    if (expected.code !== undefined) expect(error.details.code).toBe(expected.code);
    if (expected.message !== undefined) expect(error.message).toContain(expected.message);
  });

  test.each(Object.values(ADAPTERS).map((adapter) => [adapter.kind, adapter] as const))(
    '%s: nonsense is no request’s fault',
    (_kind, { errors }) => {
      for (const body of ['', '<html>', '{}', '[]', 'null', '{"error":7}'])
        expect(errors.from(500, body, PATH).kind).toBe('upstream_error');
      expect(errors.from(400, '<html>', PATH)).toMatchObject({ kind: 'invalid_value', message: 'The worker rejected the request.' });
    },
  );

  test('only what says so is a death', () => {
    expect(ADAPTERS['tensorrt-llm'].errors.tellsDeath('LLM is unavailable. Please check the server logs for more details.')).toBe(true);
    expect(ADAPTERS.openai.errors.tellsDeath('EngineCore encountered an issue')).toBe(false);
    expect(ADAPTERS.vllm.errors.tellsDeath('EngineCore encountered an issue')).toBe(true);
  });
});
