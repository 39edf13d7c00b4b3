import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ask } from '../support/raw-client.ts';
import { errorOf } from './asking.ts';

let worker: FakeVllm;
let gateway: TestGateway;

beforeAll(async () => {
  worker = await startFakeVllm();
  worker.script = answers.completion();
  gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
});
afterAll(async () => {
  await gateway.stop();
  await worker.die();
});

const CHAT = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };

function post(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(CHAT),
    ...init,
  });
}

describe('a path with slashes too many', () => {
  test('is redirected to the path meant, with its query, and nowhere else', async () => {
    const response = await post('//v1/chat//completions/?api-version=1', { redirect: 'manual' });
    expect(response.status).toBe(307);
    expect(response.headers.get('location')).toBe('/v1/chat/completions?api-version=1');
    expect(await errorOf(response)).toMatchObject({ code: 'moved', message: expect.stringContaining('/v1/chat/completions') });
    const elsewhere = await ask(gateway.port, 'GET //evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(elsewhere.status).toBe(404);
    expect(elsewhere.headers['location']).toBeUndefined();
  });

  test.each(['/v1/', '//v1', '/v1//'])('does not stop an SDK whose base URL ends in %s', async (base) => {
    const client = new OpenAI({ baseURL: `${gateway.url}${base}`, apiKey: 'none', maxRetries: 0 });
    expect((await client.chat.completions.create(CHAT)).choices).toHaveLength(1);
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['m']);
  });

  test('leads nobody to what is for operators', async () => {
    for (const path of ['//admin/status', '/admin/status/', '/debug//runtime']) {
      expect((await fetch(`${gateway.url}${path}`, { redirect: 'manual' })).status).toBe(404);
    }
  });
});

test.each([
  ['/chat/completions', 404, /The path is \/v1\/chat\/completions.*base URL/],
  ['/v1/v1/chat/completions', 404, /The path is \/v1\/chat\/completions/],
  ['/v1/images/generations', 404, /POST \/v1\/images\/generations is part of OpenAI's API, and not offered here/],
  ['/v1/nonsense', 404, /Please check the URL for typos/],
  ['/v1/models', 405, /use GET/],
  ['/v1/models/m', 405, /use GET/],
])('a call of %s is %i and says what is wrong', async (path, status, message) => {
  const response = await post(path);
  expect(response.status).toBe(status);
  expect(await errorOf(response)).toMatchObject({ message: expect.stringMatching(message) });
});

test('answers and refusals on /v1/messages name their request where SDKs of Anthropic look', async () => {
  for (const [path, body, status] of [
    ['/v1/messages', '{"model":"m","max_tokens":1,"messages":[]}', 200],
    ['/v1/messages', '{', 400],
    ['/v1/messages/batches', '{}', 404],
  ] as const) {
    const response = await post(path, { body, headers: { 'content-type': 'application/json', 'x-request-id': 'mine' } });
    expect([response.status, response.headers.get('request-id'), response.headers.get('x-request-id')]).toEqual([status, 'mine', 'mine']);
  }
  expect((await post('/v1/chat/completions')).headers.get('request-id')).toBeNull();
});

test.each(['/health', '/livez', '/readyz', '/v1/models', '/v1/models/m', '/stats', '/version', '/v1/models/none'])(
  'HEAD %s says the length of what GET brings',
  async (path) => {
    const whole = await fetch(`${gateway.url}${path}`);
    const head = await fetch(`${gateway.url}${path}`, { method: 'HEAD' });
    const length = (await whole.text()).length;
    expect(head.status).toBe(whole.status);
    expect(whole.headers.get('content-length')).toBe(String(length));
    // Figures move on between the two.
    if (path === '/stats') expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100);
    else expect(head.headers.get('content-length')).toBe(String(length));
    expect(await head.text()).toBe('');
  },
);

describe('a target in absolute form', () => {
  const get = (target: string, host = 'localhost') => ask(gateway.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

  test.each(['http://localhost:8080/health', 'HTTP://127.0.0.1/health?x=/', 'https://[::1]:8443/health'])(
    '%s is served as its path',
    async (target) => {
      expect((await get(target)).status).toBe(200);
    },
  );

  test('carries a call', async () => {
    const body = JSON.stringify(CHAT);
    const head = `POST http://localhost/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    expect((await ask(gateway.port, `${head}\r\n\r\n${body}`)).status).toBe(200);
  });

  test('goes by its own host, not by the Host header', async () => {
    expect((await get('http://evil.example/v1/models')).status).toBe(403);
    expect((await get('http://localhost/v1/models')).status).toBe(200);
  });

  test.each(['http://', 'http:///health', 'http://a@localhost/health', 'http://1.2.3.256:80/health', 'http://localhost:99999/health'])(
    '%s names no host that is taken',
    async (target) => {
      expect((await get(target)).status).toBe(400);
    },
  );

  test('leads to no other path than one of its own', async () => {
    expect((await get('http://localhost/v1/../admin/status')).status).toBe(404);
    expect((await get('http://localhost')).status).toBe(200);
    expect((await get('ftp://localhost/health')).status).toBe(400);
  });
});
