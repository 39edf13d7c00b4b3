import OpenAI from 'openai';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat, errorOf, flow } from './asking.ts';
import { settled } from './settled.ts';

// A budget holds over a restart; what was taken before a call and not used comes back.

const KEY = 'hg-the-key-of-the-app-1';
/** What the scripted worker says that each of its answers took. */
const USED = 5;

let worker: FakeVllm;
let gateway: TestGateway | undefined;
let file: string;

beforeEach(async () => {
  worker = await startFakeVllm();
  file = join(scratchFolder(), 'headgate.db');
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker[Symbol.asyncDispose]();
});

function settingsWith(budgets: NonNullable<NonNullable<SettingsInput['limits']>['default']>, more: SettingsInput = {}): SettingsInput {
  return { database: { url: `sqlite:${file}` }, auth: { keys: [{ name: 'app', key: KEY, on_limit: 'wait', limits: budgets }] }, ...more };
}

async function start(settings: SettingsInput): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], settings);
  await gateway.gateway.firstReady;
  return gateway;
}

const send = (to: TestGateway, maxTokens: number, more: object = {}) =>
  ask(to.url, chat({ max_tokens: maxTokens, ...more }), { headers: { authorization: `Bearer ${KEY}` } });

async function sent(to: TestGateway, maxTokens: number): Promise<Response> {
  const response = await send(to, maxTokens);
  await response.clone().text();
  await settled(to);
  return response;
}

test('what a key has used of its day is known after a restart, and what is over is refused with the time of the next', async () => {
  let to = await start(settingsWith({ tokens_per_day: 200 }));
  for (let i = 0; i < 4; i++) expect((await sent(to, 150)).status).toBe(200);
  await to.stop();
  to = await start(settingsWith({ tokens_per_day: 200 }));
  expect((await sent(to, 199 - 4 * USED)).status).toBe(429);
  expect((await sent(to, 150)).status).toBe(200);
  const refused = await sent(to, 190);
  expect(refused.status).toBe(429);
  expect(refused.headers.get('x-headgate-reason')).toBe('quota');
  expect(refused.headers.get('x-should-retry')).toBe('false');
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThanOrEqual(59);
  const { type, code, message } = await errorOf(refused);
  expect({ type, code }).toEqual({ type: 'rate_limit_error', code: 'insufficient_quota' });
  expect(message).toMatch(
    /^Quota exceeded for app on tokens per day: limit 200, used 25, requested \d+\. The next day begins at 20\d\d-\d\d-\d\dT00:00:00Z\.$/,
  );
  const metrics = await (await fetch(`${to.url}/metrics`)).text();
  expect(metrics).toContain('headgate_limit_rejections_total{key="app",limit="day"} 2');
  expect(metrics).toContain(`headgate_limit_used_ratio{key="app",limit="day"} ${(5 * USED) / 200}`);
});

test('as many calls at once as fit are let in, and more may come again when those have given back what they held', async () => {
  for (const [calls, each, limits] of [
    [2, 1_000, { tokens_per_day: 5_000 }],
    [18, 50, { tokens_per_day: 1_000, tokens_per_month: 1_500 }],
    [40, 4_000, { tokens_per_day: 1_000_000 }],
  ] as const) {
    file = join(scratchFolder(), 'headgate.db');
    const to = await start(settingsWith(limits));
    const open: (() => void)[] = [];
    worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
    const all = Array.from({ length: calls }, () => send(to, each));
    await until(() => worker.requests.length >= calls, 'all of them run');
    const refused = await send(to, limits.tokens_per_day - 40);
    expect(refused.status).toBe(429);
    expect([refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual([null, expect.stringMatching(/^[12]$/)]);
    expect((await errorOf(refused)).code).toBe('rate_limit_exceeded');
    for (const answer of open) answer();
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array<number>(calls).fill(200));
    await to.stop();
    worker.requests.length = 0;
  }
});

test('OpenAI’s SDK is told insufficient_quota, and does not try again', async () => {
  const to = await start(settingsWith({ tokens_per_month: 100 }));
  const client = new OpenAI({ baseURL: `${to.url}/v1`, apiKey: KEY, maxRetries: 3 });
  const create = (max_tokens: number) =>
    client.chat.completions.create({ model: 'm', max_tokens, messages: [{ role: 'user', content: 'hi' }] });
  await create(20);
  const refused = await create(98).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
  expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota' });
  const metrics = await (await fetch(`${to.url}/metrics`)).text();
  expect(metrics).toContain('headgate_limit_rejections_total{key="app",limit="month"} 1');
  expect(worker.requests).toHaveLength(1);
});

test('what was held comes back when a worker fails, and when a client leaves, but for what came of its stream', async () => {
  const to = await start(settingsWith({ tokens_per_day: 1_000 }, { retry: { max_attempts: 1 } }));
  worker.script = answers.error(500, { error: { message: 'no', type: 'x', code: 500 } });
  expect((await sent(to, 900)).status).toBe(502);
  worker.script = answers.stream(
    Array.from({ length: 400 }, () => 'x'),
    20,
  );
  const leaving = new AbortController();
  const left = await ask(to.url, chat({ max_tokens: 900, stream: true }), {
    headers: { authorization: `Bearer ${KEY}` },
    signal: leaving.signal,
  });
  const stream = flow(left);
  await until(() => stream.text().split('data: ').length > 4, 'some of it');
  leaving.abort();
  await stream.over;
  await settled(to);
  worker.script = answers.completion();
  expect((await sent(to, 999)).status).toBe(429);
  expect((await sent(to, 700)).status).toBe(200);
});

test('a budget of addresses is kept without any key, and changes with a reload', async () => {
  const settings = (day: number): SettingsInput => ({
    database: { url: `sqlite:${file}` },
    limits: { anonymous: { tokens_per_day: day } },
  });
  let to = await start(settings(100));
  expect((await sent(to, 80)).status).toBe(200);
  await to.stop();
  to = await start(settings(100));
  const refused = await sent(to, 99);
  expect(refused.status).toBe(429);
  expect((await errorOf(refused)).message).toMatch(/^Quota exceeded for anonymous on tokens per day: limit 100, used 5,/);
  to.settings = settings(200);
  expect(to.gateway.reload()).toMatchObject({ ok: true, changed: ['limits.anonymous.tokens_per_day'], needsRestart: [] });
  expect((await sent(to, 99)).status).toBe(200);
});

test('what was answered before is given again under its idempotency key, however little is left', async () => {
  const to = await start(settingsWith({ tokens_per_day: 100 }));
  const again = () => ask(to.url, chat({ max_tokens: 90 }), { headers: { authorization: `Bearer ${KEY}`, 'idempotency-key': 'the-one' } });
  worker.script = (_, response) => {
    const usage = { prompt_tokens: 10, completion_tokens: 90, total_tokens: 100 };
    const choices = [{ index: 0, message: { role: 'assistant', content: 'all of it' }, finish_reason: 'stop' }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, usage }));
  };
  const first = await again();
  const text = await first.text();
  await settled(to);
  expect((await sent(to, 50)).status).toBe(429);
  const second = await again();
  expect([second.status, second.headers.get('idempotent-replayed'), await second.text()]).toEqual([200, 'true', text]);
  expect(worker.requests).toHaveLength(1);
});
