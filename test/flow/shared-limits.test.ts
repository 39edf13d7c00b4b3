import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled } from './settled.ts';

// Two gateways and one server in which they count: one set of limits, and service while that server is away.

const KEY = 'hg-the-key-of-the-app-1';
const PATIENT = 'hg-the-key-that-waits-1';

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

type KeyLimits = NonNullable<NonNullable<SettingsInput['limits']>['default']>;
type State = NonNullable<SettingsInput['state']>;

/** A busy machine is no slow store: but for what a store that stands still costs, all the time in the world. */
async function two(limits: KeyLimits, state: State = { timeout_ms: 10_000 }): Promise<[TestGateway, TestGateway]> {
  const keys = [
    { name: 'app', key: KEY, limits },
    { name: 'patient', key: PATIENT, limits, on_limit: 'wait' as const, max_wait_ms: 60_000 },
  ];
  const settings = { auth: { keys }, state: { url: store.url, ...state } };
  for (let i = 0; i < 2; i++) {
    const gateway = await startTestGateway([worker.url], settings);
    gateways.push(gateway);
    await gateway.gateway.firstReady;
  }
  return gateways as [TestGateway, TestGateway];
}

const send = (to: TestGateway, body: object = chat(), key = KEY) => ask(to.url, body, { headers: { authorization: `Bearer ${key}` } });
const statuses = async (calls: readonly Promise<Response>[]) => (await Promise.all(calls)).map(({ status }) => status);
const pageOf = async (to: TestGateway) => (await fetch(`${to.url}/metrics`)).text();
const isUp = async (to: TestGateway) => (await pageOf(to)).includes('headgate_store_up 1');
const linesOf = (to: TestGateway, event: string) => to.log.filter((line) => line['event'] === event);

describe.skipIf(NO_REDIS_SERVER !== null)(`limits of two gateways${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  test('are one, in requests, and the headers say so', async () => {
    const [a, b] = await two({ requests_per_minute: 6 });
    const first = await send(a);
    expect([first.status, first.headers.get('x-ratelimit-remaining-requests')]).toEqual([200, '5']);
    const second = await send(b);
    expect([second.status, second.headers.get('x-ratelimit-remaining-requests')]).toEqual([200, '4']);
    expect(second.headers.get('x-ratelimit-reset-requests')).toBe('1m0s');
    const rest = await statuses(Array.from({ length: 10 }, (_, i) => send(i % 2 === 0 ? a : b)));
    expect(rest.filter((status) => status === 200)).toHaveLength(4);
    for (const to of [a, b]) {
      const refused = await send(to);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after-ms'))).toBeGreaterThan(10_000);
      const page = await pageOf(to);
      expect(page).toContain('headgate_store_up 1');
      expect(page).toContain('headgate_limit_used_ratio{key="app",limit="requests"} 1');
      expect(page).toContain('headgate_store_fallback_total{what="limits"} 0');
    }
    expect(worker.requests).toHaveLength(6);
    expect(linesOf(b, 'store.up')[0]!['msg']).toContain('2 gateways count in it');
    // A loop is refused without a question.
    const before = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await store.ask('INFO', 'commandstats'))![1]);
    expect(new Set(await statuses(Array.from({ length: 50 }, () => send(a))))).toEqual(new Set([429]));
    const after = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await store.ask('INFO', 'commandstats'))![1]);
    // Hearts may have beaten meanwhile.
    expect(after - before).toBeLessThan(20);
  });

  test('are one, in tokens: what one gives back the other may take', async () => {
    const [a, b] = await two({ tokens_per_minute: 1_000 });
    const remaining = (response: Response) => Number(response.headers.get('x-ratelimit-remaining-tokens'));
    const first = await send(a, chat({ max_tokens: 400 }));
    const taken = 1_000 - remaining(first);
    expect(taken).toBeGreaterThanOrEqual(400);
    await first.text();
    await settled(a);
    // It used five, and says so with the next that it asks, or soon.
    await until(async () => Number(/:(\d+)/.exec(await store.ask('EVAL', SUM, '0'))![1]) === 5, 'the rest is given back');
    expect(remaining(await send(b, chat({ max_tokens: 400 })))).toBe(1_000 - 5 - taken);
    expect((await send(a, chat({ max_tokens: 1_001 }))).headers.get('x-should-retry')).toBe('false');
  });

  test('are one, in places, given back at the last byte; a call that waits at one gets the place of the other', async () => {
    const [a, b] = await two({ concurrent_requests: 1 });
    const open: (() => void)[] = [];
    worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
    const running = send(a, chat(), PATIENT);
    await until(() => open.length === 1, 'it runs');
    const waiting = [send(b, chat(), PATIENT), send(b, chat(), PATIENT), send(a, chat(), PATIENT)];
    await until(() => a.gateway.figures.inFlight() + b.gateway.figures.inFlight() === 4, 'they wait');
    expect(worker.requests).toHaveLength(1);
    for (let served = 1; served <= 4; served++) {
      await until(() => worker.requests.length === served && open.length === 1, 'one after the other');
      open.shift()!();
    }
    expect(new Set(await statuses([running, ...waiting]))).toEqual(new Set([200]));
    worker.script = answers.completion();
    for (const to of [a, b]) await settled(to);
  });

  test('hold while the server is away as each gateway’s share, and are one again when it is back', async () => {
    const [a, b] = await two({ requests_per_minute: 6 });
    // Both have to know of each other.
    await until(() => linesOf(b, 'store.up').length === 1, 'they are two');
    expect((await send(b)).status).toBe(200);
    await store.kill();
    await until(async () => !(await isUp(b)), 'it is gone');
    // The other half is for the other one; what it had let in before counts.
    expect((await statuses(Array.from({ length: 6 }, () => send(b)))).toSorted()).toEqual([200, 200, 429, 429, 429, 429]);
    expect(await pageOf(b)).toContain('headgate_store_fallback_total{what="limits"} 6');
    const ready = await fetch(`${b.url}/readyz?verbose`);
    expect([ready.status, await ready.json()]).toEqual([200, expect.objectContaining({ status: 'ready', store: 'away' })]);
    expect(linesOf(b, 'store.away')).toMatchObject([{ level: 'warn', reason: 'unreachable', msg: expect.stringContaining('state.url') }]);
    await store.restart();
    await until(() => isUp(b), 'it is back');
    await until(() => isUp(a), 'for both');
    expect(linesOf(b, 'store.up')).toHaveLength(2);
    const both = await statuses(Array.from({ length: 12 }, (_, i) => send(i % 2 === 0 ? a : b)));
    expect(both.filter((status) => status === 200)).toHaveLength(6);
  });

  test('let everybody in meanwhile, or nobody, where the settings say so, from the moment at which they do', async () => {
    const [a] = await two({ requests_per_minute: 1 }, { timeout_ms: 10_000, when_unavailable: 'allow' });
    await store.kill();
    await until(async () => !(await isUp(a)), 'it is gone');
    const let_in = await send(a);
    expect([let_in.status, let_in.headers.get('x-ratelimit-limit-requests')]).toEqual([200, null]);
    expect((await send(a)).status).toBe(200);
    a.settings = { ...a.settings, state: { ...a.settings.state, when_unavailable: 'deny' } };
    expect(a.gateway.reload()).toMatchObject({ ok: true, changed: ['state.when_unavailable'], needsRestart: [] });
    for (const key of [KEY, PATIENT]) {
      const refused = await send(a, chat(), key);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('x-headgate-reason')).toBe('store_unavailable');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(await errorOf(refused)).toMatchObject({ type: 'service_unavailable_error', code: 'store_unavailable' });
    }
  });

  test('cost nobody more than a moment while the server stands still; it is used again by itself', async () => {
    const [a, b] = await two({ requests_per_minute: 1_000, concurrent_requests: 500 }, { timeout_ms: 50 });
    expect(new Set(await statuses([send(a), send(b)]))).toEqual(new Set([200]));
    store.pause();
    // All of these are answered while it stands still: nobody waits for it.
    for (let i = 0; i < 3; i++) expect(new Set(await statuses(Array.from({ length: 40 }, () => send(a))))).toEqual(new Set([200]));
    expect(await pageOf(a)).toContain('headgate_store_up 0');
    expect(linesOf(a, 'store.away')).toMatchObject([{ reason: 'timeout', msg: expect.stringContaining('within 50 ms') }]);
    const failed = Number(/store_errors_total\{reason="timeout"\} (\d+)/.exec(await pageOf(a))![1]);
    // Those that asked at once before it was known, and then one attempt at a time.
    expect(failed).toBeLessThan(45);
    store.resume();
    await until(() => isUp(a), 'it is used again');
    expect((await send(a)).status).toBe(200);
    await settled(a);
  });

  test('know who leaves while the server thinks', async () => {
    const [a] = await two({ concurrent_requests: 1 });
    store.pause();
    const leaving = new AbortController();
    const gone = ask(a.url, chat(), { headers: { authorization: `Bearer ${KEY}` }, signal: leaving.signal }).catch(() => 'gone');
    await until(() => a.gateway.figures.inFlight() === 1, 'it asks');
    leaving.abort();
    expect(await gone).toBe('gone');
    store.resume();
    await settled(a);
    expect(worker.requests).toHaveLength(0);
    await until(async () => (await send(a)).status === 200, 'its place is free');
  });
});

/** What all subjects have used of their tokens. */
const SUM = `local sum = 0 for _, key in ipairs(redis.call('KEYS', '*:used')) do sum = sum + redis.call('HGET', key, 't.sum') end return sum`;
