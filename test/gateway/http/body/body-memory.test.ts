import { expect, test } from 'vitest';
import { BodyMemory } from '../../../../gateway/http/body/body-memory.ts';
import { answers, startFakeVllm } from '../../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../../support/gateway.ts';

test('bodies are held up to sixteen of the largest, and what is released makes room', () => {
  const memory = new BodyMemory(() => 100_000);
  const rooms = Array.from({ length: 16 }, () => memory.open());
  for (const room of rooms) room.resize(100_000);
  const late = memory.open();
  expect(() => late.resize(70_000)).toThrow(expect.objectContaining({ kind: 'queue_full' }));
  // A small one is no burden.
  late.resize(1_000);
  expect(memory.heldBytes).toBe(1_600_000);
  rooms[0]!.release();
  late.resize(70_000);
  for (const room of [...rooms, late, late]) room.release();
  expect(memory.heldBytes).toBe(0);
});

test('large requests that wait together are refused before they fill the memory, and served again once some have ended', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.silence();
  await using gateway = await startTestGateway([worker.url], { server: { max_body_bytes: 100_000 } });
  await gateway.gateway.firstReady;
  const leaving = new AbortController();
  const ask = (signal?: AbortSignal) =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(99_000) }] }),
      ...(signal ? { signal } : {}),
    });
  const held = Array.from({ length: 16 }, () => ask(leaving.signal).catch(() => null));
  await until(() => worker.requests.length === 16, 'sixteen large requests are at the worker');
  const refused = await ask();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  leaving.abort();
  await Promise.all(held);
  worker.script = answers.completion();
  await until(async () => (await ask()).status === 200, 'there is room again');
});
