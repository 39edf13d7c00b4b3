import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled } from './settled.ts';

// Two gateways, each with a database of its own, as on two machines, and one server in which their budgets meet.

const KEY = 'hg-the-key-of-the-app-1';
/** What the scripted worker says that each of its answers took. */
const USED = 5;

let worker: FakeVllm;
let store: RedisServer;
let gateways: TestGateway[] = [];
let files: string[];

beforeEach(async () => {
  if (NO_REDIS_SERVER !== null) return;
  worker = await startFakeVllm();
  store = await startRedisServer();
  const folder = scratchFolder();
  files = [join(folder, 'a.db'), join(folder, 'b.db')];
});

afterEach(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  gateways = [];
  await store?.[Symbol.asyncDispose]();
  await worker?.[Symbol.asyncDispose]();
});

type KeyLimits = NonNullable<NonNullable<SettingsInput['limits']>['default']>;
type State = NonNullable<SettingsInput['state']>;

async function start(file: string, limits: KeyLimits, state: State): Promise<TestGateway> {
  const gateway = await startTestGateway([worker.url], {
    database: { url: `sqlite:${file}` },
    auth: { keys: [{ name: 'app', key: KEY, limits }] },
    state: { url: store.url, ...state },
  });
  gateways.push(gateway);
  await gateway.gateway.firstReady;
  return gateway;
}

/** A busy machine is no slow store. */
async function two(limits: KeyLimits, state: State = { timeout_ms: 10_000 }): Promise<[TestGateway, TestGateway]> {
  return [await start(files[0]!, limits, state), await start(files[1]!, limits, state)];
}

const send = (to: TestGateway, maxTokens: number) =>
  ask(to.url, chat({ max_tokens: maxTokens }), { headers: { authorization: `Bearer ${KEY}` } });

async function sent(to: TestGateway, maxTokens: number): Promise<Response> {
  const response = await send(to, maxTokens);
  await response.clone().text();
  await settled(to);
  return response;
}

const pageOf = async (to: TestGateway) => (await fetch(`${to.url}/metrics`)).text();
const isUp = async (to: TestGateway) => (await pageOf(to)).includes('headgate_store_up 1');
const missed = async (to: TestGateway) => Number(/store_fallback_total\{what="budgets"\} (\d+)/.exec(await pageOf(to))?.[1] ?? 0);
const budgetKeys = async () => Number(/^:(\d+)/.exec(await store.ask('EVAL', "return #redis.call('KEYS', '*:budget')", '0'))![1]);
/** What both say that the server has been told. */
const spentThere = async () => Number(/^:(\d+)/.exec(await store.ask('EVAL', SPENT, '0'))![1]);
const SPENT = `local sum = 0
for _, key in ipairs(redis.call('KEYS', '*:budget')) do
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do if string.sub(fields[at], 1, 2) == 's:' then sum = sum + fields[at + 1] end end
end
return sum`;

describe.skipIf(NO_REDIS_SERVER !== null)(
  `a budget of two gateways on two machines${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`,
  () => {
    test('is one: what one has used the other does not have, over a restart of both', async () => {
      const [a, b] = await two({ tokens_per_day: 200 });
      // What one has taken and not used comes back within moments.
      for (const to of [a, b, a]) await until(async () => (await sent(to, 150)).status === 200, 'there is enough for it');
      await until(async () => (await spentThere()) === 3 * USED, 'all is told');
      // Whoever has to ask for longer than a call waits answers for itself, and a moment later for both.
      await until(async () => {
        const refused = await sent(b, 199 - 3 * USED);
        expect(refused.status).toBe(429);
        return (await errorOf(refused)).message.includes(`limit 200, used ${3 * USED}, requested`);
      }, 'it knows what the other has used');
      await Promise.all([a.stop(), b.stop()]);
      const again = await start(files[1]!, { tokens_per_day: 200 }, { timeout_ms: 10_000 });
      expect((await sent(again, 199 - 3 * USED)).status).toBe(429);
      expect((await sent(again, 150)).status).toBe(200);
      expect(await pageOf(again)).toContain(`headgate_limit_used_ratio{key="app",limit="day"} ${(4 * USED) / 200}`);
      expect(await missed(again)).toBe(0);
    });

    test('is never exceeded, whoever is asked, and how many at once; what is left in the end is less than the smallest call', async () => {
      const [a, b] = await two({ tokens_per_day: 300 });
      let served = 0;
      for (let round = 0; round < 40 && served * USED < 300 - 3 * USED; round++) {
        const calls = Array.from({ length: 6 }, (_, i) => sent(i % 2 === 0 ? a : b, 4));
        served += (await Promise.all(calls)).filter(({ status }) => status === 200).length;
        // What was refused is asked for anew half a second later.
        if (round > 8) await until(async () => (await spentThere()) === served * USED, 'all is told');
      }
      expect(served * USED).toBeLessThanOrEqual(300);
      expect(served * USED).toBeGreaterThanOrEqual(300 - 6 * USED);
      expect(worker.requests).toHaveLength(served);
    });

    test('is not forgotten with the data of the server, nor by gateways that were idle meanwhile', async () => {
      const [a, b] = await two({ tokens_per_day: 100 }, { timeout_ms: 10_000, when_unavailable: 'deny' });
      for (let i = 0; i < 12; i++) expect((await sent(a, 10)).status).toBe(200);
      await until(async () => (await spentThere()) === 12 * USED, 'it is told');
      await until(async () => (await store.ask('ZCARD', 'headgate:{gateways}')) === ':2\r\n', 'they are two');
      await store.kill();
      for (const to of [a, b]) await until(async () => !(await isUp(to)), 'it is gone');
      expect((await sent(b, 35)).status).toBe(503);
      await store.restart();
      for (const to of [a, b]) await until(() => isUp(to), 'it is back');
      // It may have lost what others have told it: until they have told it again nobody is let in by its word.
      let status = 503;
      await until(async () => (status = (await sent(b, 100 - 12 * USED)).status) !== 503, 'all is known');
      expect([status, await spentThere()]).toEqual([429, 12 * USED]);
      await until(async () => (await sent(b, 15)).status === 200, 'what is left may be used');
    });

    test('costs nobody more than a moment while the server stands still', async () => {
      const [a] = await two({ tokens_per_day: 100_000 }, { timeout_ms: 50 });
      expect((await sent(a, 10)).status).toBe(200);
      store.pause();
      // All of these are answered while it stands still: nobody waits for it.
      for (let i = 0; i < 8; i++) expect((await sent(a, 5_000)).status).toBe(200);
      await until(async () => (await missed(a)) > 0, 'some were decided without it');
      store.resume();
      await until(() => isUp(a), 'it is used again');
      await until(async () => (await spentThere()) === 9 * USED, 'it is told all');
    });

    test('lets everybody in while the server is away, or nobody, where the settings say so', async () => {
      const [a] = await two({ tokens_per_day: 100 }, { timeout_ms: 10_000, when_unavailable: 'allow' });
      expect((await sent(a, 60)).status).toBe(200);
      await store.kill();
      await until(async () => !(await isUp(a)), 'it is gone');
      for (let i = 0; i < 3; i++) expect((await sent(a, 95)).status).toBe(200);
      expect(await missed(a)).toBe(3);
      a.settings = { ...a.settings, state: { ...a.settings.state, when_unavailable: 'deny' } };
      expect(a.gateway.reload()).toMatchObject({ ok: true });
      const refused = await sent(a, 95);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('x-headgate-reason')).toBe('store_unavailable');
      expect((await errorOf(refused)).message).toContain('What app has left of its budgets');
    });

    test('is nothing that the server hears of where there is none', async () => {
      const [a, b] = await two({ requests_per_minute: 100 });
      for (const to of [a, b]) expect((await sent(to, 10)).status).toBe(200);
      expect(await budgetKeys()).toBe(0);
    });
  },
);
