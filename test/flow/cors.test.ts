import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ask, type RawAnswer } from '../support/raw-client.ts';
import { chat } from './asking.ts';
import { rawRequest } from './raw-request.ts';

const PAGE = 'http://localhost:5173';
const APP = 'https://chat.example';

let worker: FakeVllm;
let local: TestGateway;
let listed: TestGateway;
let open: TestGateway;

beforeAll(async () => {
  worker = await startFakeVllm();
  const withOrigins = (allowed_origins: '*' | string[]) => startTestGateway([worker.url], { server: { cors: { allowed_origins } } });
  [local, listed, open] = await Promise.all([startTestGateway([worker.url]), withOrigins([APP]), withOrigins('*')]);
  await Promise.all([local, listed, open].map(({ gateway }) => gateway.firstReady));
});
afterAll(async () => {
  await Promise.all([local, listed, open].map((each) => each.stop()));
  await worker.die();
});

function from(gateway: TestGateway, origin: string, method: string, path: string, headers: Record<string, string> = {}, body = '') {
  return ask(gateway.port, rawRequest(method, path, { origin, ...headers }, body));
}

function post(gateway: TestGateway, origin: string, body: object | string, path = '/v1/chat/completions'): Promise<RawAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return from(gateway, origin, 'POST', path, { 'content-type': 'application/json' }, text);
}

function preflight(gateway: TestGateway, origin: string, path: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,x-stainless-os' };
  return from(gateway, origin, 'OPTIONS', path, { ...asked, ...headers });
}

function expectReadable({ headers }: RawAnswer, origin: string): void {
  expect(headers['access-control-allow-origin']).toBe(origin);
  expect(headers['vary']).toBe('Origin');
  const exposed = headers['access-control-expose-headers']?.split(', ') ?? [];
  for (const name of Object.keys(headers).filter((each) => /^(?:x-|retry-after)/.test(each) && each !== 'x-accel-buffering'))
    expect(exposed).toContain(name);
  expect(exposed).toEqual(expect.arrayContaining(['x-request-id', 'retry-after', 'retry-after-ms', 'x-ratelimit-remaining-tokens']));
  expect(headers['access-control-allow-credentials']).toBeUndefined();
}

describe('a preflight', () => {
  test.each(['/v1/chat/completions', '/v1/messages', '/v1/audio/transcriptions', '/v1/models', '/tokenize', '/v1/no/such/path'])(
    'for %s is answered without a key and without a worker',
    async (path) => {
      const asked = worker.requests.length;
      for (const [gateway, origin] of [
        [local, PAGE],
        [listed, APP],
        [open, 'https://any.example'],
      ] as const) {
        const { status, headers, body } = await preflight(gateway, origin, path);
        expect({ status, body, headers }).toMatchObject({
          status: 204,
          body: '',
          headers: {
            'access-control-allow-origin': origin,
            'access-control-allow-headers': 'authorization,content-type,x-stainless-os',
            'access-control-max-age': '7200',
            'access-control-allow-methods': expect.stringMatching(/\bPOST\b.*\bDELETE\b/),
            'x-request-id': expect.stringMatching(/^\w{32}$/),
            vary: 'Origin',
          },
        });
        expect(headers['access-control-allow-private-network']).toBeUndefined();
      }
      expect(worker.requests.length).toBe(asked);
    },
  );

  test('from the internet to this network is answered where the page may call', async () => {
    const network = { 'access-control-request-private-network': 'true' };
    expect((await preflight(listed, APP, '/v1/models', network)).headers['access-control-allow-private-network']).toBe('true');
    expect((await preflight(listed, PAGE, '/v1/models', network)).headers['access-control-allow-private-network']).toBeUndefined();
  });

  test.each([
    ['local', 'https://evil.example'],
    ['local', 'null'],
    ['local', 'http://localhost.evil.example:5173'],
    ['listed', PAGE],
    ['listed', 'https://chat.example.evil.example'],
    ['listed', 'http://chat.example'],
  ])('is refused with a word why: %s, %s', async (which, origin) => {
    const { status, headers, body } = await preflight(which === 'local' ? local : listed, origin, '/v1/chat/completions');
    expect([status, JSON.parse(body).error.code]).toEqual([403, 'origin_not_allowed']);
    expect(body).toContain('server.cors.allowed_origins');
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers['vary']).toBe('Origin');
  });

  test('is nothing special to operators, nor without what makes it one', async () => {
    for (const path of ['/admin/status', '/admin/workers/x/drain', '/debug/runtime', '/metrics', '/stats']) {
      const { status, headers } = await preflight(open, PAGE, path);
      expect([404, 405]).toContain(status);
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect((await from(open, PAGE, 'OPTIONS', '/v1/chat/completions')).status).toBe(405);
    expect((await ask(open.port, rawRequest('OPTIONS', '/v1/chat/completions', { 'access-control-request-method': 'POST' }))).status).toBe(
      405,
    );
  });
});

describe('a page that may call reads', () => {
  test.each([PAGE, 'http://127.0.0.1:1', 'https://[::1]:8443', 'http://localhost'])(
    'every answer, as a page of this machine: %s',
    async (origin) => {
      worker.script = answers.completion();
      const answer = await post(local, origin, chat());
      expect(answer.status).toBe(200);
      expectReadable(answer, origin);
      expectReadable(await from(local, origin, 'GET', '/v1/models'), origin);
    },
  );

  test('streams, as they were', async () => {
    worker.script = answers.stream(['a', 'b']);
    const plain = await ask(
      local.port,
      rawRequest('POST', '/v1/chat/completions', { 'content-type': 'application/json' }, JSON.stringify(chat({ stream: true }))),
    );
    const answer = await post(listed, APP, chat({ stream: true }));
    expectReadable(answer, APP);
    expect(answer.headers['content-type']).toBe(plain.headers['content-type']);
    expect(answer.body).toBe(plain.body);
    expect(answer.body).toContain('[DONE]');
  });

  test.each<[number, () => Promise<RawAnswer>]>([
    [400, () => post(open, APP, '{"messages":')],
    [404, () => post(open, APP, chat({ model: 'nobody' }))],
    [404, () => from(open, APP, 'GET', '/v1/models/nobody')],
    [404, () => post(open, APP, chat(), '/chat/completions')],
    [405, () => from(open, APP, 'GET', '/v1/chat/completions')],
    [415, () => from(open, APP, 'POST', '/v1/chat/completions', { 'content-type': 'text/plain' }, 'x')],
    [404, () => from(open, APP, 'GET', '/v1/%61')],
  ])('refusals: %i', async (status, send) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    expectReadable(answer, APP);
  });

  test('failures of a worker', async () => {
    worker.script = answers.error(400, { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } });
    const answer = await post(open, APP, chat());
    expect(answer.status).toBe(400);
    expectReadable(answer, APP);
    worker.script = answers.completion();
  });
});

describe('nothing of this is in', () => {
  const ours = ({ headers }: RawAnswer) => Object.keys(headers).filter((name) => name === 'vary' || name.startsWith('access-control'));

  test('an answer to who is no page', async () => {
    const request = rawRequest('POST', '/v1/chat/completions', { 'content-type': 'application/json' }, JSON.stringify(chat()));
    expect(ours(await ask(open.port, request))).toEqual([]);
  });

  test.each([
    '/admin/status',
    '/debug/runtime',
    '/metrics',
    '/metrics?x',
    '/stats',
    '/version',
    '/livez',
    '/readyz?verbose',
    '/admin',
    '/debug/x',
  ])('the answer of %s, even where all origins may call', async (path) => {
    expect(ours(await from(open, PAGE, 'GET', path))).toEqual([]);
  });

  test('the answer to a page that may not call, but that it differs by page', async () => {
    expect(ours(await from(local, APP, 'GET', '/v1/models'))).toEqual(['vary']);
  });
});

test('a reload changes whose pages may call', async () => {
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  expect((await preflight(gateway, APP, '/v1/models')).status).toBe(403);
  gateway.settings = { server: { cors: { allowed_origins: [APP] } } };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true, changed: ['server.cors.allowed_origins'], needsRestart: [] });
  expect((await preflight(gateway, APP, '/v1/models')).status).toBe(204);
  expect((await preflight(gateway, PAGE, '/v1/models')).status).toBe(403);
});
