import { describe, expect, test } from 'vitest';
import { fromWorkerError } from '../../../gateway/vllm/worker-error.ts';
import { errorBody } from '../../../gateway/openai/error-body.ts';
import { absent, present, recordings } from '../openai/recordings.ts';

const PATH = '/v1/chat/completions';
const vllm = (message: string, param: string | null = null) =>
  JSON.stringify({ error: { message, type: 'BadRequestError', param, code: 400 } });

function told(status: number, body: string): { status: number; error: Record<string, unknown> } {
  const error = fromWorkerError(status, body, PATH);
  return { status: error.status, ...(errorBody(error, 'openai') as { error: Record<string, unknown> }) };
}

describe("a worker's refusal of a request is passed on in OpenAI's shape", () => {
  test.each([
    [
      'too long',
      400,
      vllm("This model's maximum context length is 256 tokens.", 'input_tokens'),
      'context_length_exceeded',
      'input_tokens',
    ],
    [
      'too many tokens',
      400,
      vllm('max_tokens=5000 cannot be greater than max_model_len=256.', 'max_tokens'),
      'context_length_exceeded',
      'max_tokens',
    ],
    [
      'a missing field',
      400,
      vllm("1 validation error:\n  {'type': 'missing', 'loc': ('body', 'messages')}", 'body.messages'),
      'missing_required_parameter',
      'messages',
    ],
    ['not JSON', 400, vllm("1 validation error:\n  {'type': 'json_invalid', 'loc': ('body', 16)}", 'body.16'), 'invalid_json', '16'],
    ['a value', 400, vllm('temperature must be non-negative', 'temperature'), 'invalid_value', 'temperature'],
    ['422', 422, vllm('no'), 'invalid_value', null],
    ['413', 413, vllm('too large'), 'invalid_value', null],
  ])('%s', (_name, status, body, code, param) => {
    const { message } = JSON.parse(body).error;
    expect(told(status, body)).toEqual({ status, error: { message, type: 'invalid_request_error', param, code } });
  });

  test('an unknown model', () => {
    const body = '{"error":{"message":"The model `nope` does not exist.","type":"NotFoundError","param":"model","code":404}}';
    expect(told(404, body)).toMatchObject({ status: 404, error: { code: 'model_not_found', param: 'model' } });
  });

  test('a path that the worker does not have', () => {
    for (const status of [404, 405]) {
      expect(told(status, '{"detail":"Not Found"}')).toEqual({
        status: 404,
        error: { message: `The model does not support ${PATH}.`, type: 'invalid_request_error', param: null, code: 'unknown_url' },
      });
    }
  });

  test('what it does not know, which is the model only where it says so', () => {
    const about = (message: string, param: string | null) => JSON.stringify({ error: { message, type: 'x', param, code: 404 } });
    expect(told(404, about("Response with id 'resp_nope' not found.", 'response_id')).error).toMatchObject({ code: 'not_found' });
    expect(told(404, about('The model `x` does not exist.', 'model')).error).toMatchObject({ code: 'model_not_found' });
    expect(told(404, about('The model `x` does not exist.', null)).error).toMatchObject({ code: 'model_not_found' });
  });

  test('what it has not implemented', () => {
    expect(told(501, vllm('Embeddings are not supported.'))).toMatchObject({
      status: 501,
      error: { message: 'Embeddings are not supported.', code: 'not_implemented' },
    });
    expect(told(501, '<html>')).toMatchObject({ status: 501, error: { code: 'not_implemented' } });
  });

  test.each([
    '',
    'null',
    '[]',
    '"x"',
    '{"error":"Unauthorized"}',
    '{"error":{"message":7}}',
    '<html>secret</html>',
    '{"error":{"message":""}}',
    '{"error":',
  ])('words of ours stand in for %j', (body) => {
    expect(told(400, body)).toEqual({
      status: 400,
      error: { message: 'The worker rejected the request.', type: 'invalid_request_error', param: null, code: 'invalid_value' },
    });
  });

  test('a stack trace and the places of source files stay with the worker', () => {
    const trace = 'Traceback (most recent call last):\n  File "/usr/lib/python3/x.py", line 3\nValueError: secret';
    expect(told(400, vllm(`Bad image. ${trace}`)).error['message']).toBe('Bad image.');
    expect(told(400, vllm(trace)).error['message']).toBe('The worker rejected the request.');
    expect(told(400, vllm('failed in /opt/vllm/entrypoints/api-server_2.py at line 7')).error['message']).toBe('failed in … at line 7');
    expect(told(400, vllm('see https://docs.vllm.ai/en/latest or /models/a/b')).error['message']).toBe(
      'see https://docs.vllm.ai/en/latest or /models/a/b',
    );
  });

  test('a message is cut at a length that a client can take', () => {
    expect((told(400, vllm('x'.repeat(100_000))).error['message'] as string).length).toBe(2_000);
  });
});

describe('a failure of the worker is told in our words', () => {
  test.each([500, 502, 504, 505, 599, 301, 302, 204, 100])('%i', (status) => {
    const error = fromWorkerError(status, vllm('secret'), PATH);
    expect(error.kind).toBe('upstream_error');
    expect(error.status).toBe(502);
    expect(error.message).not.toContain('secret');
  });

  test.each([429, 503])('%i is being busy, not being broken', (status) => {
    const error = fromWorkerError(status, vllm('secret'), PATH);
    expect(error.kind).toBe('worker_busy');
    expect(error.status).toBe(503);
    expect(error.message).not.toContain('secret');
  });

  test.each([401, 403])("%i is about our key, not the client's", (status) => {
    const error = fromWorkerError(status, '{"error":"Unauthorized"}', PATH);
    expect(error.kind).toBe('upstream_error');
    expect(error.status).toBe(502);
  });
});

describe.skipIf(!present)(`recorded errors${absent}`, () => {
  const expected: Record<string, [status: number, code: string, param: string | null]> = {
    'err-bad-json.http': [400, 'invalid_json', '16'],
    'err-content-type.http': [400, 'invalid_value', null],
    'err-context-length.http': [400, 'context_length_exceeded', 'input_tokens'],
    'err-max-tokens-too-big.http': [400, 'context_length_exceeded', 'max_tokens'],
    'err-method-405.http': [404, 'unknown_url', null],
    'err-missing-field.http': [400, 'missing_required_parameter', 'messages'],
    'err-model-404.http': [404, 'model_not_found', 'model'],
    'err-route-404.http': [404, 'unknown_url', null],
    'err-stream-options.http': [400, 'invalid_value', 'stream_options'],
    'err-tool-choice-auto.http': [400, 'invalid_value', null],
    'err-value-range.http': [400, 'invalid_value', 'temperature'],
    'err-wrong-type.http': [400, 'invalid_value', 'temperature'],
    'engine-dead-nonstream-500.http': [502, 'upstream_error', null],
    'chat-request-error-500.http': [502, 'upstream_error', null],
  };

  test.each(recordings(/^err-|-500/))('$name', ({ name, status, body }) => {
    const [toldStatus, code, param] = expected[name] ?? [];
    const answer = told(status, body.toString());
    expect(answer).toMatchObject({ status: toldStatus, error: { code, param } });
    // The worker's own words, where they are for the client.
    const words = JSON.parse(body.toString()).error?.message;
    if (status < 500 && words !== undefined) expect(answer.error['message']).toBe(words);
    else expect(answer.error['message']).not.toBe(words);
  });
});
