import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answers, startFakeVllm, type FakeVllm, type Script } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled, statsOf } from './settled.ts';

/** As vLLM words its errors: the code is the status, the type a class of Python. */
function vllmError(status: number, type: string, message: string, param: string | null = null): Script {
  return answers.error(status, { error: { message, type, param, code: status } });
}

const STACK = 'Traceback (most recent call last):\n  File "/opt/models/secret-path/serving.py", line 1\nKeyError: sk-worker-key';

describe('an answer that is not what was asked for', () => {
  let worker: FakeVllm;
  let gateway: TestGateway;

  beforeAll(async () => {
    worker = await startFakeVllm();
    // What a worker does wrong here must not close the door on the next test.
    gateway = await startTestGateway([worker.url], { circuit_breaker: { failures: 10_000, failure_rate: 1, min_requests: 100_000 } });
    await gateway.gateway.firstReady;
  });

  afterAll(async () => {
    await gateway.stop();
    await worker.die();
  });

  afterEach(() => settled(gateway));

  const raw =
    (text: string): Script =>
    (_request, response) => {
      response.socket?.end(text);
    };

  const BAD_GATEWAY: [string, Script, string][] = [
    ['500 with a stack trace', answers.error(500, STACK, 'text/plain'), 'upstream_error'],
    ['500 in vLLM’s shape', vllmError(500, 'InternalServerError', STACK), 'upstream_error'],
    ['502 of a proxy in between', answers.error(502, '<html>Bad gateway</html>', 'text/html'), 'upstream_error'],
    ['401 in vLLM’s shape', answers.error(401, { error: 'Unauthorized' }), 'upstream_error'],
    ['403', answers.error(403, { error: 'Forbidden' }), 'upstream_error'],
    ['a redirect', (_request, response) => void response.writeHead(307, { location: 'http://elsewhere.example/' }).end(), 'upstream_error'],
    ['204 without a body', (_request, response) => void response.writeHead(204).end(), 'upstream_error'],
    ['200 with a page', answers.error(200, '<!doctype html><title>Welcome</title>', 'text/html'), 'upstream_error'],
    ['200 with half of the JSON', answers.error(200, '{"object":"chat.completion","choices":[{"mess'), 'upstream_error'],
    ['200 with nothing', answers.error(200, ''), 'upstream_error'],
    [
      'a length that is more than comes',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"object":"chat'),
      'upstream_disconnected',
    ],
    [
      'chunks that stop',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n'),
      'upstream_disconnected',
    ],
    ['something other than HTTP', raw('SSH-2.0-OpenSSH_9.9\r\n'), 'upstream_error'],
    [
      'two lengths',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} '),
      'upstream_error',
    ],
    ['a cut connection', (_request, response) => void response.socket?.resetAndDestroy(), 'upstream_disconnected'],
    ['a closed connection', (_request, response) => void response.socket?.destroy(), 'upstream_disconnected'],
    [
      'a request that the engine gave up',
      answers.error(200, { object: 'chat.completion', choices: [{ index: 0, message: { content: 'Hel' }, finish_reason: 'abort' }] }),
      'upstream_error',
    ],
  ];

  test.each(BAD_GATEWAY)('%s is 502', async (_name, script, code) => {
    worker.script = script;
    // A body of its own each time, so that none is suspected of killing workers.
    const response = await ask(gateway.url, chat({ seed: worker.requests.length }));
    expect(response.status).toBe(502);
    expect(response.headers.get('x-headgate-reason')).toBe('upstream');
    const text = await response.clone().text();
    expect(await errorOf(response)).toMatchObject({ type: 'server_error', code, param: null });
    expect(text).not.toMatch(/Traceback|secret|sk-|Unauthorized|Forbidden|html|elsewhere|127\.0\.0\.1/);
  });

  const STREAM_BAD_GATEWAY: [string, Script][] = [
    ['a whole answer', answers.completion()],
    ['a page', answers.error(200, '<html>', 'text/html')],
    [
      'a stream without a single event',
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
    ],
  ];

  test.each(STREAM_BAD_GATEWAY)('%s instead of a stream is 502', async (_name, script) => {
    worker.script = script;
    const response = await ask(gateway.url, chat({ stream: true, seed: worker.requests.length }));
    expect(response.status).toBe(502);
    await errorOf(response);
  });

  const PASSED_ON: [string, Script, number, object][] = [
    [
      'a bad value',
      vllmError(400, 'BadRequestError', 'top_p must be in (0, 1], got 7.0.', 'top_p'),
      400,
      { type: 'invalid_request_error', code: 'invalid_value', param: 'top_p', message: 'top_p must be in (0, 1], got 7.0.' },
    ],
    [
      'a missing field, named by where the parser found it',
      vllmError(400, 'Bad Request', "1 validation error:\n  {'type': 'missing', 'loc': ('body', 'messages')}", 'body.messages'),
      400,
      { type: 'invalid_request_error', code: 'missing_required_parameter', param: 'messages' },
    ],
    [
      'a prompt that is too long',
      vllmError(400, 'BadRequestError', "This model's maximum context length is 256 tokens. However, …", 'input_tokens'),
      400,
      { type: 'invalid_request_error', code: 'context_length_exceeded' },
    ],
    [
      'another model than that of the call, which it names somewhere',
      vllmError(404, 'NotFoundError', 'The model `other` does not exist.', 'model'),
      404,
      { type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
    ],
    [
      'an endpoint that the model does not have',
      answers.error(404, { detail: 'Not Found' }),
      404,
      { type: 'invalid_request_error', code: 'unknown_url' },
    ],
    ['what cannot be processed', vllmError(422, 'UnprocessableEntityError', 'No such image.'), 422, { type: 'invalid_request_error' }],
    [
      'what is not implemented',
      vllmError(501, 'NotImplementedError', 'No beams.'),
      501,
      { type: 'invalid_request_error', code: 'not_implemented', message: 'No beams.' },
    ],
  ];

  test.each(PASSED_ON)('%s is passed on, reshaped, and not to be retried', async (_name, script, status, error) => {
    worker.script = script;
    for (const stream of [false, true]) {
      const response = await ask(gateway.url, chat({ stream }));
      expect(response.status).toBe(status);
      expect(response.headers.get('x-should-retry')).toBe('false');
      expect(await errorOf(response)).toMatchObject(error);
    }
  });

  test.each([429, 503])('a worker that says %i is busy: 503, and when to come back', async (status) => {
    worker.script = answers.error(status, { error: 'The model is currently scaling.' });
    const response = await ask(gateway.url, chat());
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
    expect(await errorOf(response)).toMatchObject({ type: 'service_unavailable_error', code: 'server_is_overloaded' });
  });

  test('an answer too large to be looked at whole comes whole', async () => {
    const content = 'x'.repeat(3_000_000);
    worker.script = answers.completion(content);
    const response = await ask(gateway.url, chat());
    expect(response.status).toBe(200);
    expect(((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content).toBe(content);
  });

  test('a worker that takes longer than a request may in all is 504', async () => {
    await using impatient = await startTestGateway([worker.url], { timeouts: { request_total_ms: 60 } });
    await impatient.gateway.firstReady;
    worker.script = answers.silence();
    const response = await ask(impatient.url, chat());
    expect(response.status).toBe(504);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('x-headgate-reason')).toBe('deadline');
    expect(await errorOf(response)).toMatchObject({ type: 'server_error', code: 'timeout' });
    await settled(impatient);
    await until(() => worker.requests.at(-1)!.closed, 'the worker freed');
  });
});

describe('a second worker', () => {
  test.each([
    ['fails', answers.error(500, 'oops', 'text/plain')],
    ['is busy', answers.error(503, { error: 'scaling' })],
    ['cuts the connection', (_request, response) => void response.socket?.resetAndDestroy()],
    ['gives a request up', answers.error(200, { choices: [{ finish_reason: 'abort' }] })],
    ['answers with a page', answers.error(200, '<html>', 'text/html')],
  ] satisfies [string, Script][])('is asked when the first %s', async (_name, script) => {
    await using bad = await startFakeVllm();
    await using good = await startFakeVllm();
    bad.script = script;
    await using gateway = await startTestGateway([bad.url, good.url]);
    await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
    for (let seed = 0; bad.requests.length === 0; seed++) {
      const before = good.requests.length;
      const response = await ask(gateway.url, chat({ seed }));
      expect(response.status).toBe(200);
      expect(response.headers.get('x-headgate-worker')).toBe(new URL(good.url).host);
      expect(response.headers.get('x-headgate-attempts')).toBe(bad.requests.length === 0 ? '1' : '2');
      expect(good.requests).toHaveLength(before + 1);
    }
    // Two attempts must not make two completions of one name.
    const ids = [...bad.requests, ...good.requests].map(({ headers }) => headers['x-request-id']);
    expect(new Set(ids).size).toBe(ids.length);
    await settled(gateway);
  });

  test('is not asked when the first said that the request is wrong', async () => {
    await using first = await startFakeVllm();
    await using second = await startFakeVllm();
    for (const worker of [first, second]) worker.script = vllmError(400, 'BadRequestError', 'no', 'top_p');
    await using gateway = await startTestGateway([first.url, second.url]);
    await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
    expect((await ask(gateway.url, chat())).status).toBe(400);
    expect(first.requests.length + second.requests.length).toBe(1);
  });

  test('is asked when nobody listens at the first any more', async () => {
    await using gone = await startFakeVllm();
    await using good = await startFakeVllm();
    await using gateway = await startTestGateway([gone.url, good.url], { pressure: { scrape_interval_ms: 3_600_000 } });
    await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
    await gone.die();
    const attempts: (string | null)[] = [];
    for (let seed = 0; seed < 30 && !attempts.includes('2'); seed++) {
      const response = await ask(gateway.url, chat({ seed }));
      expect(response.status).toBe(200);
      attempts.push(response.headers.get('x-headgate-attempts'));
    }
    expect(attempts).toContain('2');
    await settled(gateway);
  });
});

describe('the Anthropic dialect', () => {
  const MESSAGES = { path: '/v1/messages' };
  const message = { model: 'm', max_tokens: 8, messages: [{ role: 'user', content: 'hi' }] };

  test('errors on /v1/messages have Anthropic’s shape, whoever made them', async () => {
    await using worker = await startFakeVllm();
    await using gateway = await startTestGateway([], {
      workers: [{ url: worker.url, max_num_seqs: 1 }],
      admission: { headroom: 0, max_queue: 0 },
    });
    await gateway.gateway.firstReady;
    const shape = async (response: Response, status: number, type: string): Promise<void> => {
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({ type: 'error', error: { type, message: expect.any(String) } });
    };
    await shape(await ask(gateway.url, '{', MESSAGES), 400, 'invalid_request_error');
    await shape(await ask(gateway.url, { ...message, model: 'nobody' }, MESSAGES), 404, 'not_found_error');
    await shape(await ask(gateway.url, { ...message, model: 'nobody' }, { path: '/v1/messages/count_tokens' }), 404, 'not_found_error');
    await shape(await fetch(`${gateway.url}/v1/messages`), 405, 'invalid_request_error');
    await shape(await ask(gateway.url, message, { ...MESSAGES, headers: { 'content-type': 'text/plain' } }), 415, 'invalid_request_error');
    worker.script = answers.error(400, { type: 'error', error: { type: 'BadRequestError', message: 'max_tokens is too large' } });
    await shape(await ask(gateway.url, message, MESSAGES), 400, 'invalid_request_error');
    worker.script = answers.error(500, STACK, 'text/plain');
    await shape(await ask(gateway.url, message, MESSAGES), 502, 'api_error');
    worker.script = answers.silence();
    const leaving = new AbortController();
    const running = ask(gateway.url, message, { ...MESSAGES, signal: leaving.signal }).catch(() => null);
    await until(() => gateway.gateway.figures.inFlight() === 1, 'a call in flight');
    await shape(await ask(gateway.url, message, MESSAGES), 503, 'overloaded_error');
    leaving.abort();
    await running;
    await settled(gateway);
  });

  test('a stream of messages that breaks ends with Anthropic’s error event', async () => {
    await using worker = await startFakeVllm();
    worker.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1"}}\n\n', () =>
        response.socket?.resetAndDestroy(),
      );
    };
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const text = await (await ask(gateway.url, { ...message, stream: true }, MESSAGES)).text();
    const last = text.trimEnd().split('\n\n').at(-1)!;
    expect(last).toMatch(/^event: error\ndata: /);
    expect(JSON.parse(last.slice(last.indexOf('{')))).toEqual({ type: 'error', error: { type: 'api_error', message: expect.any(String) } });
    await settled(gateway);
  });
});
