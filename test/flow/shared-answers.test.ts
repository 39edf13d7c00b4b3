import { Redis } from 'iovalkey';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled } from './settled.ts';

// Answers that two gateways share in one server: what one of them had made is given by the other, and done once.

let worker: FakeVllm;
let store: RedisServer;
let gateways: TestGateway[] = [];

beforeEach(async () => {
  if (NO_REDIS_SERVER !== null) return;
  worker = await startFakeVllm();
  store = await startRedisServer();
});

afterEach(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  gateways = [];
  await store?.[Symbol.asyncDispose]();
  await worker?.[Symbol.asyncDispose]();
});

async function start(more: SettingsInput = {}): Promise<TestGateway> {
  const gateway = await startTestGateway([worker.url], {
    cache: { enabled: true },
    pressure: { scrape_interval_ms: 100 },
    state: { url: store.url, timeout_ms: 10_000 },
    ...more,
  });
  gateways.push(gateway);
  await gateway.gateway.firstReady;
  const isScraped = async () => JSON.stringify(await (await fetch(`${gateway.url}/stats`)).json()).includes('scrape_age_ms');
  await until(isScraped, 'its worker’s metrics were read');
  return gateway;
}

/** Until the store has so many keys of answers. */
async function kept(count: number): Promise<void> {
  const client = new Redis(store.url);
  try {
    await until(async () => (await client.keys('*answer:*')).length === count, `${count} answers are kept`);
  } finally {
    client.disconnect();
  }
}

function held(): ServerResponse[] {
  const responses: ServerResponse[] = [];
  worker.script = (_, response) => void responses.push(response);
  return responses;
}

const same = (more: object = {}): object => chat({ temperature: 0, ...more });
const under = (key: string) => ({ headers: { 'idempotency-key': key } });

describe.skipIf(NO_REDIS_SERVER !== null)(`answers of two gateways${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  test.each([false, true])('are given by either, byte for byte (stream: %s)', async (stream) => {
    const [a, b] = [await start(), await start()];
    worker.script = stream ? answers.stream(['Grüße ', '✓']) : answers.completion('Grüße ✓');
    const text = await (await ask(a.url, same({ stream }))).text();
    await kept(1);
    const again = await ask(b.url, same({ stream }));
    expect([again.headers.get('x-headgate-cache'), again.headers.get('age')]).toEqual(['hit', expect.stringMatching(/^\d$/)]);
    expect(await again.text()).toBe(text);
    expect(worker.requests).toHaveLength(1);
  });

  test('are not given when the engine that made them has ended', async () => {
    const [a, b] = [await start(), await start()];
    await (await ask(a.url, same())).text();
    await kept(1);
    worker.process = 2_000;
    const only = { headers: { 'cache-control': 'only-if-cached' } };
    await until(async () => (await ask(b.url, same(), only)).status === 504, 'the other has seen that');
  });

  test('under one key are made once, also by a gateway that has only just begun', async () => {
    const a = await start({ cache: { enabled: false } });
    const first = await ask(a.url, chat(), under('k'));
    const text = await first.text();
    await kept(1);
    await a.stop();
    const b = await start({ cache: { enabled: false } });
    const again = await ask(b.url, chat(), under('k'));
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('x-request-id')).toBe(first.headers.get('x-request-id'));
    expect(await again.text()).toBe(text);
    expect((await ask(b.url, chat({ max_tokens: 5 }), under('k'))).status).toBe(422);
    expect(worker.requests).toHaveLength(1);
  });

  test('that are being made elsewhere cannot be waited for here, and are when they are there', async () => {
    const [a, b] = [await start(), await start()];
    const at = held();
    const first = [ask(a.url, chat(), under('k')), ask(a.url, chat(), under('k'))];
    await until(() => at.length === 1, 'the first is at the worker');
    const refused = await ask(b.url, chat(), under('k'));
    expect(refused.status).toBe(409);
    expect((await errorOf(refused)).code).toBe('idempotency_in_progress');
    expect((await ask(b.url, chat({ max_tokens: 5 }), under('k'))).status).toBe(422);
    answers.completion('once')({ path: '', headers: {}, body: '' }, at[0]!);
    for (const each of first) expect(await (await each).text()).toContain('once');
    await until(async () => (await ask(b.url, chat(), under('k'))).status === 200, 'the other gives it');
    expect(worker.requests).toHaveLength(1);
    await settled(a);
  });

  test('that came to nothing may be made by the other', async () => {
    const [a, b] = [await start({ retry: { max_attempts: 1 } }), await start()];
    worker.script = answers.error(500, { error: { message: 'no' } });
    expect((await ask(a.url, chat(), under('k'))).status).toBe(502);
    worker.script = answers.completion();
    await until(async () => (await ask(b.url, chat(), under('k'))).status === 200, 'the key is free');
  });

  test('for which the server has no room are not kept, and it is used for all else', async () => {
    const a = await start();
    await store.ask('CONFIG', 'SET', 'maxmemory', '100kb');
    for (let seed = 0; seed < 8; seed++) expect((await ask(a.url, same({ seed }))).headers.get('x-headgate-cache')).toBe('miss');
    const page = await (await fetch(`${a.url}/metrics`)).text();
    expect(page).toContain('headgate_store_up 1');
    expect(page).not.toMatch(/headgate_store_errors_total\{reason="(?!memory)[^}]*\} [1-9]/);
  });

  test('are made anew while the server is away, and the same ones at the same time once', async () => {
    const a = await start();
    await (await ask(a.url, same())).text();
    await store.kill();
    const at = held();
    const asked = [ask(a.url, same()), ask(a.url, same()), ask(a.url, chat(), under('k')), ask(a.url, chat(), under('k'))];
    await until(() => at.length === 2 && a.gateway.figures.inFlight() === 4, 'two are at the worker');
    for (const response of at) answers.completion()({ path: '', headers: {}, body: '' }, response);
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await until(
      async () => (await (await fetch(`${a.url}/metrics`)).text()).includes('store_fallback_total{what="idempotency"}'),
      'it is counted',
    );
  });
});

test.skipIf(NO_REDIS_SERVER !== null)(
  'a server that is full is told of once, and counted; answers are made as if it were not there',
  async () => {
    const gateway = await start();
    worker.script = answers.completion('x'.repeat(20_000));
    const client = new Redis(store.url);
    await client.config('SET', 'maxmemory', '1');
    for (let i = 0; i < 3; i++) {
      const response = await ask(gateway.url, same({ seed: i }), { headers: { 'idempotency-key': `once-${i}` } });
      expect(response.status).toBe(200);
      await response.text();
    }
    const lines = () => gateway.log.filter((line) => line['event'] === 'store.full' || line['event'] === 'store.room');
    await until(() => lines().length > 0, 'it is told');
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toMatch(/headgate_store_errors_total\{reason="memory"\} [1-9]/);
    expect(metrics).toMatch(/headgate_store_fallback_total\{what="idempotency"\} [1-9]/);
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
    await (await ask(gateway.url, same({ seed: 9 }))).text();
    await until(() => lines().length > 1, 'there is room again');
    expect(lines().map((line) => line['event'])).toEqual(['store.full', 'store.room']);
  },
);
