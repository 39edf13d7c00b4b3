import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { request } from 'undici';
import type { AddressInfo } from 'node:net';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { sightOfFailure, sightOfStatus } from '../../../gateway/vllm/sight.ts';
import { refused } from '../workers/worker-fixtures.ts';

test('a port where nobody listens is told from every other trouble', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const failure: unknown = await request(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
  expect(sightOfFailure(failure)).toBe('refused');
});

test('the refusal is found inside the errors that wrap it, and where every address refused', () => {
  expect(sightOfFailure(new GatewayError('upstream_disconnected', 'no', { cause: refused() }))).toBe('refused');
  expect(sightOfFailure(new AggregateError([refused(), refused()]))).toBe('refused');
  expect(sightOfFailure(new AggregateError([refused(), new Error('timed out')]))).toBe('missed');
});

test('anything else is a miss, even an error that causes itself', () => {
  const circular = new Error('round and round');
  circular.cause = circular;
  for (const other of [circular, new Error('reset', { cause: { code: 'ECONNREFUSED' } }), 'text', undefined]) {
    expect(sightOfFailure(other)).toBe('missed');
  }
});

test('only 503 says that the engine is dead', () => {
  expect([200, 404, 500, 503].map(sightOfStatus)).toEqual(['answered', 'answered', 'answered', 'dead']);
});

test('what we lack ourselves says nothing of the worker, however it is wrapped', () => {
  const full = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' });
  expect(sightOfFailure(full)).toBe('unseen');
  expect(sightOfFailure(new Error('fetch failed', { cause: full }))).toBe('unseen');
  expect(sightOfFailure(new AggregateError([refused(), full]))).toBe('unseen');
});
