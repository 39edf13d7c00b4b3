import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Probe } from '../../../supervisor/worker/probe.ts';
import { freePort } from '../../support/ports.ts';

type Answers = Readonly<Record<string, readonly [number, unknown]>>;

async function probeOf(answers: Answers) {
  const asked: string[] = [];
  const listener: RequestListener = (request, response) => {
    request.resume();
    asked.push(`${request.method} ${request.url}`);
    const [status, body] = answers[request.url ?? ''] ?? [404, { detail: 'Not Found' }];
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { probe: probeAt((server.address() as AddressInfo).port), asked };
}

function probeAt(port: number): Probe {
  return new Probe(`http://127.0.0.1:${port}`, 'mine');
}

const MODELS = [200, { data: [{ id: 'mine', root: '/models/mine', parent: null, max_model_len: 4096 }] }] as const;

describe('serving', () => {
  test('is healthy and lists the model, with what is known of it', async () => {
    const { probe } = await probeOf({ '/health': [200, null], '/v1/models': MODELS });
    expect(await probe.serving()).toEqual({ kind: 'ok', value: [{ id: 'mine', root: '/models/mine', parent: null, maxModelLen: 4096 }] });
  });

  test('is not: unhealthy', async () => {
    const { probe, asked } = await probeOf({ '/health': [503, null], '/v1/models': MODELS });
    expect(await probe.serving()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('503'), miss: 'wrong' });
    expect(asked).toEqual(['GET /health']);
  });

  test('is not: somebody else’s server on our port', async () => {
    const { probe } = await probeOf({ '/health': [200, '<html>'], '/v1/models': [200, { data: [{ id: 'other' }] }] });
    expect(await probe.serving()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('mine') });
    const { probe: page } = await probeOf({ '/health': [200, '<html>'], '/v1/models': [200, '<html>'] });
    expect(await page.serving()).toMatchObject({ kind: 'failed' });
  });

  test('is not: nobody listens', async () => {
    const probe = probeAt(await freePort());
    expect(await probe.serving()).toEqual({ kind: 'failed', reason: '/health: ECONNREFUSED', miss: 'refused' });
  });
});

describe('token', () => {
  test('asks for one real token', async () => {
    const { probe, asked } = await probeOf({ '/v1/completions': [200, { choices: [{ text: '!' }] }] });
    expect(await probe.token(30_000)).toMatchObject({ kind: 'ok' });
    expect(asked).toEqual(['POST /v1/completions']);
  });

  test.each([
    ['embeddings', { '/v1/embeddings': [200, { data: [{ embedding: [0] }] }] }, ['/v1/embeddings']],
    ['classes', { '/classify': [200, { data: [{ label: 'good' }] }] }, ['/v1/embeddings', '/classify']],
    ['scores', { '/score': [200, { data: [{ score: 0.5 }] }] }, ['/v1/embeddings', '/classify', '/score']],
    [
      'vectors, in an older vLLM',
      {
        '/v1/completions': [400, { error: { message: 'The model does not support Completions API' } }],
        '/v1/embeddings': [501, { error: { message: 'The model does not support Embeddings API' } }],
        '/pooling': [200, { data: [{ data: [0] }] }],
      },
      ['/v1/embeddings', '/classify', '/score', '/pooling'],
    ],
  ] satisfies [string, Answers, string[]][])(
    'asks a model that makes %s for what it makes, and then for nothing else',
    async (_, answers, tried) => {
      const { probe, asked } = await probeOf(answers);
      expect(await probe.token(30_000)).toMatchObject({ kind: 'ok' });
      expect(asked).toEqual(['/v1/completions', ...tried].map((path) => `POST ${path}`));
      asked.length = 0;
      expect(await probe.token(30_000)).toMatchObject({ kind: 'ok' });
      expect(await probe.warmUp(8)).toMatchObject({ kind: 'ok' });
      expect(asked).toEqual([`POST ${tried.at(-1)}`, `POST ${tried.at(-1)}`]);
    },
  );

  test('takes the health of a model that can be asked for nothing short', async () => {
    const { probe } = await probeOf({ '/health': [200, null] });
    expect(await probe.warmUp(1)).toMatchObject({ kind: 'ok' });
    const { probe: ill } = await probeOf({ '/health': [503, null] });
    expect(await ill.warmUp(1)).toMatchObject({ kind: 'failed' });
  });

  test('tells what was done by a model that can be asked for nothing short', async () => {
    const page = 'vllm:num_requests_running 1\nvllm:generation_tokens_total 5\n';
    const { probe } = await probeOf({ '/health': [200, null], '/metrics': [200, page], '/load': [200, { server_load: 2 }] });
    expect(await probe.token(30_000)).toEqual({
      kind: 'ok',
      value: { running: 1, waiting: 0, load: 2, tokens: 5, kvUsage: 0, firstTokenMs: null },
    });
    const { probe: ill } = await probeOf({ '/health': [503, null] });
    expect(await ill.token(30_000)).toMatchObject({ kind: 'failed' });
  });

  test('does not look for another task because the model is not there', async () => {
    const { probe, asked } = await probeOf({ '/v1/completions': [404, { error: { message: 'The model `mine` does not exist.' } }] });
    expect(await probe.token(30_000)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('does not exist') });
    expect(asked).toHaveLength(1);
  });

  test('does not take an error or an empty answer for a token', async () => {
    const { probe: broken } = await probeOf({ '/v1/completions': [500, { error: { message: 'out of resource: shared memory' } }] });
    expect(await broken.token(30_000)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('shared memory') });
    const { probe: empty } = await probeOf({ '/v1/completions': [200, { choices: [] }] });
    expect(await empty.token(30_000)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('empty') });
  });
});

describe('warm-up', () => {
  test('asks for a token, then for a batch', async () => {
    const { probe, asked } = await probeOf({ '/v1/completions': [200, { choices: [{ text: '!' }] }] });
    expect(await probe.warmUp(16)).toMatchObject({ kind: 'ok' });
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'POST /v1/completions'));
  });

  test('asks no more at once than the engine runs', async () => {
    const { probe, asked } = await probeOf({ '/v1/completions': [200, { choices: [{ text: '!' }] }] });
    await probe.warmUp(1);
    expect(asked).toHaveLength(2);
  });
});

describe('pulse', () => {
  const page = (running: number, generated: number) =>
    [
      '# TYPE vllm:num_requests_running gauge',
      `vllm:num_requests_running{engine="0",model_name="a{b"} ${running}.0`,
      `vllm:num_requests_running{engine="1",model_name="a{b"} 1.0`,
      'vllm:num_requests_waiting{engine="0",model_name="a{b"} 4.0',
      'vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 4.0',
      `vllm:generation_tokens_total{engine="0",model_name="a{b"} ${generated}.0`,
      'vllm:prompt_tokens_total{engine="0",model_name="a{b"} 1e+03',
      'vllm:iteration_tokens_total_bucket{engine="0",le="1.0"} 77.0',
      'vllm:iteration_tokens_total_count{engine="0"} 5.0',
    ].join('\n');

  test('is what runs and what only work moves, over all engines', async () => {
    const { probe } = await probeOf({ '/health': [200, null], '/metrics': [200, page(2, 30)] });
    expect(await probe.pulse()).toEqual({ kind: 'ok', value: { running: 3, waiting: 4, tokens: 1035, kvUsage: 0, firstTokenMs: null } });
  });

  test.each([
    [{ server_load: 7 }, 7],
    [{ server_load: -2 }, 0],
  ])('tells what its HTTP server has in hand, where that is counted: %j', async (said, load) => {
    const { probe } = await probeOf({ '/health': [200, null], '/metrics': [200, page(0, 30)], '/load': [200, said] });
    expect(await probe.pulse()).toEqual({
      kind: 'ok',
      value: { running: 1, waiting: 4, load, tokens: 1035, kvUsage: 0, firstTokenMs: null },
    });
  });

  test('is that of a healthy engine when it does not count', async () => {
    const { probe } = await probeOf({ '/health': [200, null], '/metrics': [404, null] });
    expect(await probe.pulse()).toEqual({ kind: 'ok', value: null });
    const { probe: other } = await probeOf({ '/health': [200, null], '/metrics': [200, 'python_info 1'] });
    expect(await other.pulse()).toEqual({ kind: 'ok', value: null });
  });

  test('is gone when the engine is dead', async () => {
    const { probe } = await probeOf({ '/health': [503, null], '/metrics': [200, page(1, 1)] });
    expect(await probe.pulse()).toMatchObject({ kind: 'failed', miss: 'wrong' });
  });
});

test('the engine’s version is what it says, or unknown', async () => {
  const { probe } = await probeOf({ '/version': [200, { version: '0.29.0' }] });
  expect(await probe.version()).toBe('0.29.0');
  expect(await (await probeOf({})).probe.version()).toBeNull();
});
