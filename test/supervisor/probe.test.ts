import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Probe } from '../../supervisor/probe.ts';
import { freePort } from '../support/sim.ts';

type Answers = Readonly<Record<string, readonly [number, unknown]>>;

async function probeOf(answers: Answers, capabilities: readonly string[] = ['chat']) {
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
  return { probe: await probeAt((server.address() as AddressInfo).port, capabilities), asked };
}

async function probeAt(port: number, capabilities: readonly string[] = ['chat']): Promise<Probe> {
  const probe = new Probe(`http://127.0.0.1:${port}`, 'mine', capabilities);
  onTestFinished(() => probe.close());
  return probe;
}

const MODELS = [200, { data: [{ id: 'mine', root: '/models/mine', parent: null, max_model_len: 4096 }] }] as const;

describe('serving', () => {
  test('is healthy and lists the model, with what is known of it', async () => {
    const { probe } = await probeOf({ '/health': [200, null], '/v1/models': MODELS });
    expect(await probe.serving()).toEqual({ kind: 'ok', models: [{ id: 'mine', root: '/models/mine', parent: null, maxModelLen: 4096 }] });
  });

  test('is not: unhealthy', async () => {
    const { probe, asked } = await probeOf({ '/health': [503, null], '/v1/models': MODELS });
    expect(await probe.serving()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('503'), timedOut: false });
    expect(asked).toEqual(['GET /health']);
  });

  test('is not: somebody else’s server on our port', async () => {
    const { probe } = await probeOf({ '/health': [200, '<html>'], '/v1/models': [200, { data: [{ id: 'other' }] }] });
    expect(await probe.serving()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('mine') });
    const { probe: page } = await probeOf({ '/health': [200, '<html>'], '/v1/models': [200, '<html>'] });
    expect(await page.serving()).toMatchObject({ kind: 'failed' });
  });

  test('is not: nobody listens', async () => {
    const probe = await probeAt(await freePort());
    expect(await probe.serving()).toEqual({ kind: 'failed', reason: '/health: ECONNREFUSED', timedOut: false });
  });
});

describe('generate', () => {
  test('asks for one real token', async () => {
    const { probe, asked } = await probeOf({ '/v1/completions': [200, { choices: [{ text: '!' }] }] });
    expect(await probe.generate()).toMatchObject({ kind: 'ok' });
    expect(asked).toEqual(['POST /v1/completions']);
  });

  test('asks an embedding model for an embedding', async () => {
    const { probe, asked } = await probeOf({ '/v1/embeddings': [200, { data: [{ embedding: [0] }] }] }, ['embeddings']);
    expect(await probe.generate()).toMatchObject({ kind: 'ok' });
    expect(asked).toEqual(['POST /v1/embeddings']);
  });

  test('does not take an error or an empty answer for a token', async () => {
    const { probe: broken } = await probeOf({ '/v1/completions': [500, { error: { message: 'out of resource: shared memory' } }] });
    expect(await broken.generate()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('shared memory') });
    const { probe: empty } = await probeOf({ '/v1/completions': [200, { choices: [] }] });
    expect(await empty.generate()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('empty') });
  });
});

test('the engine’s version is what it says, or unknown', async () => {
  const { probe } = await probeOf({ '/version': [200, { version: '0.29.0' }] });
  expect(await probe.version()).toBe('0.29.0');
  expect(await (await probeOf({})).probe.version()).toBeNull();
});
