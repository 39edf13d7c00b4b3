import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';
import { settled } from './settled.ts';

// A conversation goes on where its prefix cache is, as long as that worker is no busier than the others.

const SESSION: SettingsInput = { load_balancer: { affinity: 'session', slow_start_ms: 0 } };
const KEYS = [
  { name: 'app', key: 'hg-the-key-of-the-app-1' },
  { name: 'other', key: 'hg-the-key-of-another-1' },
];

let workers: FakeVllm[] = [];
let gateway: TestGateway | undefined;

beforeEach(async () => {
  workers = [await startFakeVllm(), await startFakeVllm()];
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
});

async function start(settings: SettingsInput = SESSION): Promise<TestGateway> {
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    settings,
  );
  const { url } = gateway;
  await until(async () => (await stats(url)).workers.every(({ state }) => state === 'ready'), 'both workers are ready');
  return gateway;
}

interface Stats {
  readonly workers: readonly { readonly state: string }[];
  readonly sessions: { readonly active: number; readonly by_worker: object; readonly kept: number; readonly moved: number };
}

const stats = async (url: string): Promise<Stats> => (await (await fetch(`${url}/stats`)).json()) as Stats;
const metric = async (to: TestGateway, line: string) => (await (await fetch(`${to.url}/metrics`)).text()).includes(`${line}\n`);

/** Which worker answers a call. */
async function asked(to: TestGateway, headers: Record<string, string> = {}, extra: object = {}): Promise<string> {
  const response = await ask(to.url, chat(extra), { headers });
  expect(response.status).toBe(200);
  await response.text();
  return response.headers.get('x-headgate-worker')!;
}

const inSession = (name: string) => ({ 'x-session-id': name });
const as = (key: string, name: string) => ({ ...inSession(name), authorization: `Bearer ${key}` });
const workerOf = (id: string) => workers.find(({ url }) => url.endsWith(id))!;

describe('a conversation', () => {
  test('stays at one worker, conversations spread, and all of it can be seen', async () => {
    const to = await start();
    const names = Array.from({ length: 40 }, (_, i) => `conversation-${i}`);
    const homes = new Map<string, string>();
    for (const name of names) homes.set(name, await asked(to, inSession(name)));
    for (const name of names) expect(await asked(to, inSession(name))).toBe(homes.get(name));
    const byWorker = Object.fromEntries([...Map.groupBy(names, (name) => homes.get(name)!)].map(([id, all]) => [id, all.length]));
    expect(Object.keys(byWorker)).toHaveLength(2);
    expect((await stats(to.url)).sessions).toEqual({ active: 40, by_worker: byWorker, kept: 40, moved: 0 });
    expect(await metric(to, 'headgate_sessions_active 40')).toBe(true);
    expect(JSON.stringify(to.log)).not.toContain('conversation-');
  });

  test('is named by prompt_cache_key, or by user where the settings say so; a header counts before', async () => {
    const to = await start({ ...SESSION, sessions: { from: ['header', 'prompt_cache_key', 'user'] } });
    const calls: [Record<string, string>, object][] = [
      [{}, { prompt_cache_key: 'a' }],
      [{}, { prompt_cache_key: 'a', user: 'somebody' }],
      [inSession('a'), { prompt_cache_key: 'b' }],
    ];
    for (const [headers, extra] of calls) await asked(to, headers, extra);
    expect((await stats(to.url)).sessions).toMatchObject({ active: 1, kept: 2 });
    await asked(to, {}, { user: 'somebody' });
    expect((await stats(to.url)).sessions.active).toBe(2);
    // It goes on to the worker as it came.
    const sent = workers.flatMap(({ requests }) => requests).map(({ body }) => JSON.parse(body) as object);
    expect(sent).toContainEqual(chat({ prompt_cache_key: 'a', user: 'somebody' }));
  });

  test('of one key is not that of another, nor anybody’s without', async () => {
    const to = await start({ ...SESSION, auth: { keys: KEYS, allow_anonymous: true } });
    for (const { key } of KEYS) await asked(to, as(key, 'same'));
    await asked(to, inSession('same'));
    expect((await stats(to.url)).sessions).toMatchObject({ active: 3, kept: 0 });
  });

  test('moves when its worker dies, and stays where it went', async () => {
    const to = await start();
    const home = await asked(to, inSession('a'));
    await workerOf(home).die();
    const next = await asked(to, inSession('a'));
    expect(next).not.toBe(home);
    await until(async () => (await stats(to.url)).workers.some(({ state }) => state !== 'ready'), 'its end is known');
    expect(await asked(to, inSession('a'))).toBe(next);
    expect((await stats(to.url)).sessions.by_worker).toEqual({ [next]: 1 });
  });

  test('moves when its worker is drained, and does not come back with it', async () => {
    const to = await start();
    const home = await asked(to, inSession('a'));
    const order = (verb: string) =>
      fetch(`${to.url}/admin/workers/${encodeURIComponent(home)}/${verb}`, { method: 'POST', headers: AS_ADMIN });
    expect((await order('drain')).status).toBe(202);
    expect((await stats(to.url)).sessions.active).toBe(0);
    expect(await metric(to, 'headgate_sessions_evicted_total{reason="worker_gone"} 1')).toBe(true);
    const next = await asked(to, inSession('a'));
    expect(next).not.toBe(home);
    expect((await order('undrain')).status).toBe(202);
    await until(async () => (await stats(to.url)).workers.every(({ state }) => state === 'ready'), 'it is back');
    expect(await asked(to, inSession('a'))).toBe(next);
  });

  test('goes elsewhere while its worker has more to do than the others, and with it for good', async () => {
    const to = await start();
    const home = await asked(to, inSession('a'));
    const open: (() => void)[] = [];
    workerOf(home).script = (request, response) => void open.push(() => answers.completion()(request, response));
    const held = [ask(to.url, chat(), { headers: inSession('a') }), ask(to.url, chat(), { headers: inSession('a') })];
    await until(() => open.length === 2, 'it is busy');
    const next = await asked(to, inSession('a'));
    expect(next).not.toBe(home);
    workerOf(home).script = answers.completion();
    for (const end of open.splice(0)) end();
    await Promise.all(held);
    await settled(to);
    expect(await asked(to, inSession('a'))).toBe(next);
  });

  test('goes elsewhere while the cache of its worker is full', async () => {
    const to = await start({ ...SESSION, pressure: { scrape_interval_ms: 20 } });
    const home = await asked(to, inSession('a'));
    workerOf(home).metrics = { kv_cache_usage_perc: 0.99, num_requests_waiting: 1 };
    await until(async () => (await asked(to, inSession('a'))) !== home, 'it has gone');
    expect((await stats(to.url)).sessions).toMatchObject({ active: 1, moved: 1 });
  });

  test('gives way to newer ones where the table is full', async () => {
    const to = await start({ ...SESSION, sessions: { max_entries: 5 } });
    for (let i = 0; i < 8; i++) await asked(to, inSession(`${i}`));
    expect((await stats(to.url)).sessions.active).toBe(5);
    expect(await metric(to, 'headgate_sessions_evicted_total{reason="full"} 3')).toBe(true);
  });
});

describe('nothing is kept', () => {
  test('of a conversation where nobody asked for that, which a reload changes either way', async () => {
    const to = await start({});
    await asked(to, inSession('a'));
    expect((await stats(to.url)).sessions.active).toBe(0);
    to.settings = SESSION;
    expect(to.gateway.reload()).toMatchObject({ ok: true, needsRestart: [] });
    await asked(to, inSession('a'));
    expect((await stats(to.url)).sessions.active).toBe(1);
    to.settings = {};
    expect(to.gateway.reload()).toMatchObject({ ok: true });
    expect((await stats(to.url)).sessions.active).toBe(0);
    expect(await metric(to, 'headgate_sessions_evicted_total{reason="off"} 1')).toBe(true);
  });

  test('where there is one worker, and of a name that is too long', async () => {
    const to = await start();
    await asked(to, {}, { prompt_cache_key: 'x'.repeat(257) });
    expect((await stats(to.url)).sessions.active).toBe(0);
    to.settings = { ...SESSION, workers: [{ url: workers[0]!.url }] };
    to.gateway.reload();
    await asked(to, inSession('a'));
    expect((await stats(to.url)).sessions.active).toBe(0);
  });
});
