import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorOf, flow } from './asking.ts';
import { settled } from './settled.ts';

// A limited key is refused at once and told when; what it did not use is given back.

const KEY = 'hg-the-key-of-the-app-1';
const OTHER = 'hg-the-key-of-another-1';

let worker: FakeVllm;
let gateway: TestGateway | undefined;

beforeEach(async () => {
  worker = await startFakeVllm();
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker[Symbol.asyncDispose]();
});

type KeyLimits = NonNullable<NonNullable<SettingsInput['limits']>['default']>;

async function withLimits(limits: KeyLimits, more: SettingsInput = {}): Promise<TestGateway> {
  const keys = [
    { name: 'app', key: KEY, limits },
    { name: 'other', key: OTHER },
  ];
  gateway = await startTestGateway([worker.url], { auth: { keys }, ...more });
  await gateway.gateway.firstReady;
  return gateway;
}

const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
const send = (to: TestGateway, body: object = chat(), key = KEY) => ask(to.url, body, as(key));

describe('requests a minute', () => {
  test('are told in OpenAI’s headers, on answers and on refusals', async () => {
    const to = await withLimits({ requests_per_minute: 2 });
    const first = await send(to);
    expect(first.status).toBe(200);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    expect(first.headers.get('x-ratelimit-reset-requests')).toBe('1m0s');
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBeNull();
    expect((await send(to)).status).toBe(200);
    const refused = await send(to);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-headgate-reason')).toBe('rate_limit');
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    const retryMs = Number(refused.headers.get('retry-after-ms'));
    expect(retryMs).toBeGreaterThan(20_000);
    expect(Number(refused.headers.get('retry-after'))).toBe(Math.min(59, Math.ceil(retryMs / 1000)));
    expect(await errorOf(refused)).toMatchObject({
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      message: expect.stringMatching(
        /^Rate limit reached for app on requests per minute: limit 2\. Please try again in (\d+(\.\d+)?|1m0)s\.$/,
      ),
    });
    expect(worker.requests).toHaveLength(2);
    // Another key is not held to it, and not told of any.
    const other = await send(to, chat(), OTHER);
    expect(other.status).toBe(200);
    expect(other.headers.get('x-ratelimit-limit-requests')).toBeNull();
    const metrics = await (await fetch(`${to.url}/metrics`)).text();
    expect(metrics).toContain('headgate_limit_rejections_total{key="app",limit="requests"} 1');
    expect(metrics).toContain('headgate_limit_used_ratio{key="app",limit="requests"} 1');
  });

  test('of the settings hold for keys without limits of their own, and change with a reload', async () => {
    const to = await withLimits({ requests_per_minute: 100 }, { limits: { default: { requests_per_minute: 1 } } });
    expect((await send(to, chat(), OTHER)).status).toBe(200);
    expect((await send(to, chat(), OTHER)).status).toBe(429);
    expect((await send(to)).status).toBe(200);
    to.settings = { ...to.settings, limits: { default: { requests_per_minute: 2 } } };
    expect(to.gateway.reload()).toMatchObject({ ok: true, changed: ['limits.default.requests_per_minute'], needsRestart: [] });
    expect((await send(to, chat(), OTHER)).status).toBe(200);
    expect((await send(to, chat(), OTHER)).status).toBe(429);
  });
});

describe('tokens a minute', () => {
  const remaining = (response: Response) => Number(response.headers.get('x-ratelimit-remaining-tokens'));

  test('are taken by an estimate, and corrected by what the worker counted', async () => {
    const to = await withLimits({ tokens_per_minute: 1_000 });
    const first = await send(to, chat({ max_tokens: 400 }));
    const taken = 1_000 - remaining(first);
    expect(taken).toBeGreaterThanOrEqual(400);
    await first.text();
    await settled(to);
    // It used five.
    expect(remaining(await send(to, chat({ max_tokens: 400 })))).toBe(1_000 - 5 - taken);
    await settled(to);
    const large = await send(to, chat({ max_tokens: 995 }));
    expect(large.status).toBe(429);
    expect(large.headers.get('retry-after-ms')).not.toBeNull();
    const never = await send(to, chat({ max_tokens: 1_001 }));
    expect(never.status).toBe(429);
    expect(never.headers.get('x-should-retry')).toBe('false');
    expect(never.headers.get('retry-after')).toBeNull();
    expect((await errorOf(never)).message).toContain('Request too large for app on tokens per minute: limit 1000');
  });

  test('come back when a worker fails, and when a client leaves, but for what came of its stream', async () => {
    const to = await withLimits({ tokens_per_minute: 1_000 }, { retry: { max_attempts: 1 } });
    worker.script = answers.error(500, { error: { message: 'no', type: 'x', code: 500 } });
    expect((await send(to, chat({ max_tokens: 900 }))).status).toBe(502);
    await settled(to);
    worker.script = answers.stream(
      Array.from({ length: 400 }, () => 'x'),
      20,
    );
    const leaving = new AbortController();
    const response = await ask(to.url, chat({ stream: true, max_tokens: 900 }), { ...as(KEY), signal: leaving.signal });
    const stream = flow(response);
    await until(() => stream.text().split('data: ').length > 4, 'some of it');
    leaving.abort();
    await stream.over;
    await settled(to);
    worker.script = answers.completion();
    const left = remaining(await send(to, chat({ max_tokens: 1 })));
    expect(left).toBeLessThan(1_000 - 3);
    expect(left).toBeGreaterThan(800);
  });
});

test('requests at the same time are places, given back at the last byte', async () => {
  const to = await withLimits({ concurrent_requests: 2 });
  const open: (() => void)[] = [];
  worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
  const running = [send(to), send(to)];
  await until(() => open.length === 2, 'two at the worker');
  const refused = await send(to);
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await errorOf(refused)).message).toContain('concurrent requests: limit 2');
  open.shift()!();
  expect((await running.shift()!).status).toBe(200);
  await until(() => to.gateway.figures.inFlight() === 1, 'its place is free');
  const third = send(to);
  await until(() => open.length === 2, 'the third');
  for (const end of open.splice(0)) end();
  expect((await third).status).toBe(200);
  await running[0];
  await settled(to);
});

test('a key that floods holds the next call of another up by one place', async () => {
  const open: (() => void)[] = [];
  worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
  gateway = await startTestGateway([], {
    workers: [{ url: worker.url, max_num_seqs: 2 }],
    admission: { headroom: 0, max_queue: 200, queue_timeout_ms: 60_000 },
    auth: {
      keys: [
        { name: 'flood', key: KEY },
        { name: 'quiet', key: OTHER },
      ],
    },
  });
  const to = gateway;
  await to.gateway.firstReady;
  const flood = Array.from({ length: 100 }, () => send(to, chat({ user: 'flood' })));
  await until(() => open.length === 2 && to.gateway.figures.queueDepth('interactive') === 98, 'the flood waits');
  for (let second = 0; second < 3; second++) {
    const before = worker.requests.length;
    const quiet = send(to, chat({ user: 'quiet' }), OTHER);
    await until(() => to.gateway.figures.queueDepth('interactive') === 98 - 2 * second + 1, 'it waits too');
    // Two calls end, and two places come free.
    for (const end of open.splice(0, 2)) end();
    await until(() => worker.requests.length === before + 2, 'two more went');
    expect(worker.requests.slice(before).filter(({ body }) => body.includes('quiet'))).toHaveLength(1);
    const own = worker.requests.findIndex(({ body }, at) => at >= before && body.includes('quiet')) - before;
    open.splice(own, 1)[0]!();
    expect((await quiet).status).toBe(200);
    await until(() => worker.requests.length === before + 3 && open.length === 2, 'the flood goes on');
  }
  worker.script = answers.completion();
  for (const end of open.splice(0)) end();
  expect(new Set((await Promise.all(flood)).map(({ status }) => status))).toEqual(new Set([200]));
  await settled(to);
});

test('a full line is no key’s alone: the last call of whoever has most there makes room for another', async () => {
  const open: (() => void)[] = [];
  worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
  const keys = [
    { name: 'flood', key: KEY },
    { name: 'quiet', key: OTHER },
  ];
  gateway = await startTestGateway([], {
    workers: [{ url: worker.url, max_num_seqs: 1 }],
    admission: { headroom: 0, max_queue: 10, queue_timeout_ms: 60_000 },
    auth: { keys },
  });
  const to = gateway;
  await to.gateway.firstReady;
  const flood = Array.from({ length: 11 }, () => send(to));
  await until(() => open.length === 1 && to.gateway.figures.queueDepth('interactive') === 10, 'the line is full');
  expect((await send(to)).status).toBe(503);
  const quiet = send(to, chat(), OTHER);
  const refused = await Promise.race(flood);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');
  expect(to.gateway.figures.queueDepth('interactive')).toBe(10);
  worker.script = answers.completion();
  open[0]!();
  expect((await quiet).status).toBe(200);
  expect((await Promise.all(flood)).map(({ status }) => status).filter((status) => status === 503)).toHaveLength(1);
  await settled(to);
});

test('whoever has no key is limited by address, as a believed proxy tells it', async () => {
  gateway = await startTestGateway([worker.url], {
    limits: { anonymous: { requests_per_minute: 1 }, trusted_proxies: ['127.0.0.1'] },
  });
  await gateway.gateway.firstReady;
  const from = async (address: string) => (await ask(gateway!.url, chat(), { headers: { 'x-forwarded-for': address } })).status;
  expect(await from('1.1.1.1')).toBe(200);
  expect(await from('1.1.1.1')).toBe(429);
  expect(await from('9.9.9.9, 1.1.1.1')).toBe(429);
  expect(await from('2.2.2.2')).toBe(200);
  expect(await from('2001:db8:1:2::1')).toBe(200);
  expect(await from('2001:db8:1:2::2')).toBe(429);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toContain('headgate_limit_rejections_total{key="anonymous",limit="requests"} 3');
  expect(metrics).not.toContain('1.1.1.1');
});

test('the openai SDK is told that it is limited, comes back when it is told to, and is served', { timeout: 30_000 }, async () => {
  const to = await withLimits({ concurrent_requests: 1 });
  const client = (maxRetries: number) => new OpenAI({ baseURL: `${to.url}/v1`, apiKey: KEY, maxRetries });
  const open: (() => void)[] = [];
  worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
  const running = send(to);
  await until(() => open.length === 1, 'one at the worker');
  const ASK = { model: 'm', messages: [{ role: 'user', content: 'hi' }] } as const;
  const error = await client(0)
    .chat.completions.create({ ...ASK, messages: [...ASK.messages] })
    .then(
      () => null,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  const limited = error as InstanceType<typeof OpenAI.RateLimitError>;
  expect(limited.code).toBe('rate_limit_exceeded');
  expect(limited.headers?.get('retry-after-ms')).toBe('1000');
  const patient = client(3).chat.completions.create({ ...ASK, messages: [...ASK.messages] });
  await until(async () => (await (await fetch(`${to.url}/metrics`)).text()).includes('limit="concurrent"} 2'), 'it was refused once');
  worker.script = answers.completion();
  open.shift()!();
  expect((await patient).choices[0]?.message.content).toBe('Hello');
  expect((await running).status).toBe(200);
});
