import { expect, test } from 'vitest';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { ask as send, connectRaw } from '../support/raw-client.ts';
import { ask, chat } from './asking.ts';
import { rawRequest } from './raw-request.ts';
import { endOf, endsOf, settled } from './settled.ts';

test('a worker gets the allow-list and its own key, whatever the client sends', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([], { workers: [{ url: worker.url, api_key: 'worker-key' }] });
  await gateway.gateway.firstReady;
  const body = JSON.stringify(chat());
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const hop = {
    connection: 'keep-alive, x-hop',
    'x-hop': 'stops here',
    'keep-alive': 'timeout=9',
    te: 'trailers',
    trailer: 'x-late',
    upgrade: 'h2c',
    'proxy-authorization': 'Basic xyz',
    'proxy-connection': 'keep-alive',
  };
  const others = {
    authorization: 'Bearer client-secret',
    'x-api-key': 'client-secret',
    cookie: 'session=1',
    forwarded: 'for=1.2.3.4',
    'x-forwarded-for': '1.2.3.4',
    'x-real-ip': '1.2.3.4',
    'user-agent': 'OpenAI/JS',
    'accept-encoding': 'gzip',
    'x-stainless-lang': 'js',
    'x-session-id': 's1',
    'x-headgate-priority': 'batch',
    'openai-organization': 'org',
    'idempotency-key': 'k',
    __proto__x: '1',
    'x-odd-bytes': 'caf\u00e9',
  };
  const forwarded = {
    'content-type': 'application/json; charset=utf-8',
    accept: 'application/json',
    traceparent: trace,
    tracestate: 'a=1',
  };
  const answer = await send(
    gateway.port,
    rawRequest('POST', '/v1/chat/completions', { ...hop, ...others, ...forwarded, 'x-request-id': 'mine-1' }, body),
  );
  expect(answer.status).toBe(200);
  expect(worker.requests[0]?.headers).toEqual({
    host: new URL(worker.url).host,
    connection: 'keep-alive',
    'accept-encoding': 'identity',
    authorization: 'Bearer worker-key',
    'content-type': 'application/json',
    'content-length': String(body.length),
    accept: 'application/json',
    // The trace goes on; whether it is sampled is for the gateway to say.
    traceparent: `${trace.slice(0, -2)}00`,
    tracestate: 'a=1',
    'x-request-id': expect.stringMatching(/^[\w-]{16,}$/),
  });
  expect(worker.requests[0]?.headers['x-request-id']).not.toBe('mine-1');
});

test('a client gets none of the worker’s own headers, but ours about the way its call went', async () => {
  await using worker = await startFakeVllm();
  worker.script = (_request, response) => {
    const body = '{"object":"chat.completion","choices":[]}';
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': body.length,
      connection: 'close, x-hop',
      'x-hop': '1',
      server: 'uvicorn',
      'set-cookie': 'a=1',
      'x-request-id': 'the-worker-s-own',
      'access-control-allow-origin': '*',
      'x-internal-path': '/models/secret',
    });
    response.end(body);
  };
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const { headers } = await send(
    gateway.port,
    rawRequest('POST', '/v1/chat/completions', { 'content-type': 'application/json', 'x-request-id': 'mine' }, JSON.stringify(chat())),
  );
  expect(headers).toEqual({
    'content-type': 'application/json',
    'content-length': expect.any(String),
    'x-request-id': 'mine',
    'x-headgate-worker': new URL(worker.url).host,
    'x-headgate-model': 'm',
    'x-headgate-queue-ms': '0',
    'x-headgate-window-ms': '0',
    'x-headgate-attempts': '1',
    date: expect.any(String),
    connection: 'keep-alive',
    'keep-alive': expect.any(String),
  });
});

test('x-request-id is kept when it is printable, else replaced, and is on every answer', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const body = JSON.stringify(chat());
  const answers = (id: string | null) =>
    Promise.all(
      [
        rawRequest(
          'POST',
          '/v1/chat/completions',
          { 'content-type': 'application/json', ...(id === null ? {} : { 'x-request-id': id }) },
          body,
        ),
        rawRequest(
          'POST',
          '/v1/chat/completions',
          { 'content-type': 'application/json', ...(id === null ? {} : { 'x-request-id': id }) },
          '{',
        ),
        rawRequest('GET', '/v1/models', id === null ? {} : { 'x-request-id': id }),
        rawRequest('GET', '/v1/nowhere', id === null ? {} : { 'x-request-id': id }),
        rawRequest('GET', '/livez', id === null ? {} : { 'x-request-id': id }),
      ].map((text) => send(gateway.port, text)),
    );
  for (const id of ['abc', 'a.b_c-D9', 'x'.repeat(128)]) {
    for (const { headers } of await answers(id)) expect(headers['x-request-id']).toBe(id);
  }
  const made: (string | undefined)[] = [];
  for (const id of [null, '', 'two words', 'x'.repeat(129), 'a/b', 'caf\u00e9', '"quoted"']) {
    for (const { headers } of await answers(id)) made.push(headers['x-request-id']);
  }
  for (const id of made) expect(id).toMatch(/^[\w.-]{16,128}$/);
  expect(new Set(made).size).toBe(made.length);
  const sent = worker.requests.map(({ headers }) => headers['x-request-id']);
  expect(new Set(sent).size).toBe(sent.length);
});

test('every request has one line in the log, by its id', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  await ask(gateway.url, chat(), { headers: { 'x-request-id': 'good' } });
  await ask(gateway.url, '{', { headers: { 'x-request-id': 'bad' } });
  await fetch(`${gateway.url}/v1/nowhere`, { headers: { 'x-request-id': 'lost' } });
  expect(await endOf(gateway, 'good')).toMatchObject({
    status: 200,
    outcome: 'complete',
    route: '/v1/chat/completions',
    worker: new URL(worker.url).host,
  });
  expect(await endOf(gateway, 'bad')).toMatchObject({ status: 400, outcome: 'refused', code: 'invalid_json' });
  expect(await endOf(gateway, 'lost')).toMatchObject({ status: 404, outcome: 'refused', code: 'unknown_url', route: 'unknown' });
  for (const id of ['good', 'bad', 'lost']) expect(endsOf(gateway, id)).toHaveLength(1);
  expect(JSON.stringify(gateway.log)).not.toContain('"hi"');
});

test('several requests on one connection are answered in their order', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  using client = await connectRaw(gateway.port);
  const one = rawRequest(
    'POST',
    '/v1/chat/completions',
    { 'content-type': 'application/json', 'x-request-id': 'one' },
    JSON.stringify(chat({ stream: true })),
  );
  worker.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    setTimeout(() => response.end('data: {"id":"1","choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'), 30);
  };
  client.send(
    one +
      rawRequest('GET', '/livez', { 'x-request-id': 'two' }) +
      one.replace('one', 'three') +
      rawRequest('GET', '/livez', { 'x-request-id': 'four', connection: 'close' }),
  );
  await client.ended;
  const text = client.received;
  expect(text.match(/x-request-id: \w+/g)).toEqual(['x-request-id: one', 'x-request-id: two', 'x-request-id: three', 'x-request-id: four']);
  expect(text.match(/data: \[DONE\]/g)).toHaveLength(2);
  await settled(gateway);
});
