import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ask as send } from '../support/raw-client.ts';
import { ask, chat, errorOf } from './asking.ts';
import { rawRequest } from './raw-request.ts';
import { settled } from './settled.ts';
import { startWatchfulWorker } from './watchful-worker.ts';

describe('models', () => {
  let worker: FakeVllm;
  let gateway: TestGateway;

  beforeAll(async () => {
    worker = await startFakeVllm(['maker/model-7B', 'plain']);
    gateway = await startTestGateway([worker.url], { models: [{ id: 'maker/model-7B', aliases: ['gpt-4', 'a/b/c'] }] });
    await gateway.gateway.firstReady;
  });

  afterAll(async () => {
    await gateway.stop();
    await worker.die();
  });

  test('the list has OpenAI’s shape, what vLLM adds, and our extras under one key', async () => {
    const response = await fetch(`${gateway.url}/v1/models`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const list = (await response.json()) as { data: { id: string; created: number }[] };
    expect(list).toEqual({
      object: 'list',
      data: [
        {
          id: 'maker/model-7B',
          object: 'model',
          created: expect.any(Number),
          owned_by: 'vllm',
          root: 'maker/model-7B',
          parent: null,
          max_model_len: 8192,
          headgate: { state: 'ready', aliases: ['gpt-4', 'a/b/c'], profile: null, capabilities: expect.any(Array), eta_seconds: null },
        },
        expect.objectContaining({ id: 'gpt-4', root: 'maker/model-7B', max_model_len: 8192 }),
        expect.objectContaining({ id: 'a/b/c', root: 'maker/model-7B' }),
        expect.objectContaining({ id: 'plain', object: 'model' }),
      ],
      // By which other gateways know this one.
      headgate: { gateway: expect.stringMatching(/^[\da-f]{32}$/) },
    });
    const again = (await (await fetch(`${gateway.url}/v1/models`)).json()) as typeof list;
    expect(again.data.map(({ created }) => created)).toEqual(list.data.map(({ created }) => created));
  });

  test.each(['maker/model-7B', 'maker%2Fmodel-7B', 'maker%2fmodel-7B', 'gpt-4', 'a/b/c', 'a%2Fb/c'])(
    '/v1/models/%s is found, under the name that it was asked for by',
    async (name) => {
      const { status, body } = await send(gateway.port, rawRequest('GET', `/v1/models/${name}`));
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ id: decodeURIComponent(name), root: 'maker/model-7B', object: 'model' });
    },
  );

  test.each(['nothing', 'maker', 'maker/', 'maker%2Fmodel', '%E0%A4%A', 'maker%00', '..%2F..%2Fhealth', '%2e%2e'])(
    '/v1/models/%s is not found',
    async (name) => {
      const { status, body, headers } = await send(gateway.port, rawRequest('GET', `/v1/models/${name}`));
      expect(status).toBe(404);
      expect(headers['content-type']).toBe('application/json');
      expect(JSON.parse(body)).toMatchObject({
        error: { type: 'invalid_request_error', code: expect.toBeOneOf(['model_not_found', 'unknown_url']) },
      });
    },
  );

  test('a body that names no model goes to the default one, as it is', async () => {
    const body = '{"messages": []}';
    const response = await ask(gateway.url, body);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-headgate-model')).toBe('maker/model-7B');
    expect(worker.requests.at(-1)?.body).toBe(body);
  });
});

describe('paths', () => {
  test('an unknown path is 404 unknown_url; a known one with another method is 405 with Allow', async () => {
    await using worker = await startFakeVllm();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    for (const [method, path] of [
      ['GET', '/v1/unknown'],
      ['POST', '/v1/uploads'],
      ['DELETE', '/v1/assistants/x'],
      ['POST', '/v1'],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, { method });
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'unknown_url', param: null });
    }
    for (const [method, path, allow] of [
      ['GET', '/v1/chat/completions', 'POST'],
      ['DELETE', '/v1/models/m', 'GET, HEAD'],
      ['POST', '/v1/models', 'GET, HEAD'],
      ['PUT', '/v1/audio/transcriptions', 'POST'],
      ['POST', '/health', 'GET, HEAD'],
      ['PUT', '/v1/files', 'POST, GET, HEAD'],
      ['DELETE', '/v1/batches/x', 'GET, HEAD'],
      ['GET', '/admin/reload', 'POST'],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, { method });
      expect([method, path, response.status]).toEqual([method, path, 405]);
      expect(response.headers.get('allow')).toBe(allow);
      expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'method_not_allowed' });
    }
    expect(worker.requests).toEqual([]);
  });

  /** Paths of vLLM's that no client may reach, and ways to write them, or ours, that a lax router would take for something else. */
  const CLOSED = [
    '/sleep',
    '/sleep?level=2',
    '/wake_up',
    '/is_sleeping',
    '/pause',
    '/resume',
    '/is_paused',
    '/invocations',
    '/collective_rpc',
    '/ping',
    '/load',
    '/server_info',
    '/reset_prefix_cache',
    '/reset_mm_cache',
    '/abort_requests',
    '/update_weights',
    '/init_weight_transfer_engine',
    '/scale_elastic_ep',
    '/is_scaling_elastic_ep',
    '/tokenizer_info',
    '/docs',
    '/redoc',
    '/openapi.json',
    '/start_profile',
    '/stop_profile',
    '/v1/load_lora_adapter',
    '/v1/unload_lora_adapter',
    '/invocations',
    '/inference/v1/generate',
    '/inference/v1/abort_requests',
    '/load',
    '/is_paused',
    '/pause',
    '/resume',
    '/v1/responses/..',
    '/v1/responses/../../sleep',
    '/v1/responses/%2e%2e',
    '/v1/responses/a/b',
    '/v1/responses/a/input_items',
    '/v1/responses/',
    '/inference/v1/generate',
    '/v1/realtime',
    '/sim/fault',
    '/v1/../sleep',
    '/v1/./sleep',
    '/v1/..',
    '/../sleep',
    '/./sleep',
    '/v1/chat/completions/../../../sleep',
    '/v1/%2e%2e/sleep',
    '/v1/.%2e/sleep',
    '/v1/..;/sleep',
    '/v1/chat/completions/..%2f..%2fsleep',
    '/v1/models/m/../../../sleep',
    '/v1/models/../../metrics',
    '//sleep',
    '/v1//sleep',
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/v1/chat//completions',
    '/v1/chat/completions/',
    '/V1/chat/completions',
    '/v1/chat/completions%20',
    '/v1/chat/completions%00',
    '/v1/chat/completions;x=1',
    '/v1/chat%2fcompletions',
    '/%76%31/chat/completions',
    '/v1/chat/completions#x',
    '\\sleep',
    '/v1\\..\\sleep',
    '/v1/chat/completions\\..\\..\\sleep',
    '/%5csleep',
    '/%73leep',
    '/%2fsleep',
    '/%2e%2e/sleep',
    '/sleep%2e',
    '/sleep/.',
    '/%61dmin/status',
    '//admin/status',
    '/admin//status',
    '/admin/./status',
    '/ADMIN/status',
    '/admin/status/',
    '/x/../admin/status',
    'http://127.0.0.1/sleep',
    'http://elsewhere.example/v1/chat/completions',
    '*',
    'sleep',
    '127.0.0.1:80',
  ];

  test('no other path of a worker can be reached, however it is written', async () => {
    await using worker = await startWatchfulWorker();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const body = JSON.stringify(chat());
    for (const target of CLOSED) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const headers = { 'content-type': 'application/json', connection: 'close' };
        const answer = await send(gateway.port, rawRequest(method, target, headers, method === 'POST' ? body : ''));
        expect([method, target, answer.status]).toEqual([method, target, expect.toBeOneOf([307, 400, 403, 404])]);
        expect(JSON.parse(answer.body)).toHaveProperty('error.code');
      }
    }
    const connected = await send(gateway.port, 'CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
    expect(connected.status).toBe(405);
    // Our own page, not the worker's.
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('headgate_build_info');
    expect(metrics).not.toContain('vllm:');
    expect(metrics).not.toContain('a_secret_of_the_worker');
    expect(worker.seen).toEqual([]);
    await settled(gateway);
    expect(worker.seen).toEqual([]);
  }, 30_000);

  test('a query goes no further', async () => {
    await using worker = await startWatchfulWorker();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    await ask(gateway.url, chat(), { path: '/v1/chat/completions?api-version=1&x=/../sleep' });
    expect(worker.seen).toEqual(['POST /v1/chat/completions']);
  });
});
