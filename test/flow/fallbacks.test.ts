import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, type AskOptions, chat, contentOf, errorAtEnd, errorOf } from './asking.ts';
import { batchOf, inputLine, submit } from './batch-scene.ts';
import { hold } from './holding.ts';
import { endOf, settled } from './settled.ts';

// A call that its own model cannot take is another's, before a byte has come, for those who may use that one; and everybody is told.

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

interface Scene {
  readonly a: FakeVllm;
  readonly b: FakeVllm;
  /** Serves provider-x and provider-y. */
  readonly provider: FakeVllm;
  readonly gateway: TestGateway;
}

const ALL: NonNullable<SettingsInput['auth']>['keys'] = [];

/** A pool of two workers with a place each, and a provider with many. */
async function scene(more: SettingsInput = {}, fallback = ['provider-x'], historyDir?: string): Promise<Scene> {
  const [a, b, provider] = [
    await startFakeVllm(['qwen-a']),
    await startFakeVllm(['qwen-b']),
    await startFakeVllm(['provider-x', 'provider-y']),
  ];
  const workers = [
    { url: a.url, max_num_seqs: 1 },
    { url: b.url, max_num_seqs: 1 },
    { url: provider.url, max_num_seqs: 64 },
  ];
  const settings: SettingsInput = {
    ...{ workers, models: [{ id: 'chat', pool: ['qwen-a', 'qwen-b'], fallback }], auth: { keys: ALL } },
    ...{ admission: { headroom: 0, max_queue: 0 }, ...more },
  };
  const gateway = await startTestGateway([], settings, undefined, historyDir);
  provider.script = answers.completion('from outside');
  open.push(a, b, provider, gateway);
  await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'all are ready');
  return { a, b, provider, gateway };
}

const talk = ({ gateway }: Scene, extra: object = {}, options: AskOptions = {}) =>
  ask(gateway.url, chat({ model: 'chat', ...extra }), options);
const fallbackOf = (answer: Response): string | null => answer.headers.get('x-headgate-fallback');

/** Both workers of the pool hold a call each. */
async function full(of: Scene): Promise<() => Promise<void>> {
  const held = [hold(of.a), hold(of.b)];
  const calls = [talk(of, { seed: 1 }), talk(of, { seed: 2 })];
  await until(() => held.reduce((sum, each) => sum + each.waiting(), 0) === 2, 'both places are taken');
  return async () => {
    for (const each of held) each.open();
    for (const answer of await Promise.all(calls)) expect([answer.status, fallbackOf(answer)]).toEqual([200, null]);
    await settled(of.gateway);
  };
}

test('a full pool: the call goes to the fallback, and client, log, metrics and usage are told', async () => {
  const all = await scene();
  const { provider, gateway } = all;
  const end = await full(all);
  const answer = await talk(all, { seed: 3 }, { headers: { 'x-request-id': 'over' } });
  expect([answer.status, fallbackOf(answer)]).toEqual([200, 'provider-x']);
  expect(answer.headers.get('x-headgate-model')).toBe('provider-x');
  expect(await answer.text()).toContain('from outside');
  expect(provider.requests).toHaveLength(1);
  expect(provider.requests[0]!.body).toBe('{"model":"provider-x","messages":[{"role":"user","content":"hi"}],"seed":3}');
  expect(await endOf(gateway, 'over')).toMatchObject({
    ...{ model: 'chat', fallback: 'provider-x', fallback_reason: 'queue_full', status: 200, outcome: 'complete', attempts: 1 },
  });
  expect(gateway.log.filter(({ event }) => event === 'fallback')).toMatchObject([
    { request_id: 'over', model: 'chat', fallback: 'provider-x', reason: 'queue_full' },
  ]);
  await end();
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(page).toContain('headgate_fallbacks_total{model="chat",fallback="provider-x",reason="queue_full"} 1\n');
  // Who answered is who is counted: what a provider was sent is to be seen by its own name.
  expect(page).toContain('headgate_input_tokens_total{model="provider-x"} 3\n');
  expect(page).toContain('headgate_input_tokens_total{model="chat"} 6\n');
});

test('a call that says so is refused as without a fallback', async () => {
  const all = await scene();
  const end = await full(all);
  const refused = await talk(all, {}, { headers: { 'x-headgate-fallback': 'None' } });
  expect([refused.status, fallbackOf(refused), refused.headers.get('x-headgate-reason')]).toEqual([503, null, 'queue_full']);
  expect((await errorOf(refused)).code).toBe('server_is_overloaded');
  expect(all.provider.requests).toHaveLength(0);
  await end();
});

test('a key gets only those fallbacks that it may use by their own names', async () => {
  const keys = [
    { name: 'house', key: 'hg-the-key-of-the-house1', models: ['chat'] },
    { name: 'out', key: 'hg-the-key-that-may-out1', models: ['chat', 'provider-y'] },
    { name: 'any', key: 'hg-the-key-that-may-all1' },
  ];
  const all = await scene({ auth: { keys } }, ['provider-x', 'provider-y']);
  const as = (key: string): AskOptions => ({ headers: { authorization: `Bearer ${key}` } });
  await all.a.die();
  await all.b.die();
  await until(() => all.gateway.gateway.status().models.find(({ id }) => id === 'chat')?.state !== 'ready', 'the pool is down');
  const refused = await talk(all, {}, as(keys[0]!.key));
  expect([refused.status, fallbackOf(refused), refused.headers.get('x-headgate-reason')]).toEqual([503, null, 'no_worker']);
  const { message } = await errorOf(refused);
  expect(message).toContain('The model chat is not available.');
  // What it may not know of it is not told of.
  expect(message).not.toContain('provider');
  expect(fallbackOf(await talk(all, {}, as(keys[1]!.key)))).toBe('provider-y');
  expect(fallbackOf(await talk(all, {}, as(keys[2]!.key)))).toBe('provider-x');
  expect(all.provider.requests.map(({ body }) => (JSON.parse(body) as { model: string }).model)).toEqual(['provider-y', 'provider-x']);
});

test('a stream falls back as a whole answer does, and the SDK sees the header', async () => {
  const all = await scene();
  all.provider.script = answers.stream(['out', 'side']);
  const end = await full(all);
  const answer = await talk(all, { stream: true });
  expect([answer.status, fallbackOf(answer)]).toEqual([200, 'provider-x']);
  expect(contentOf(await answer.text())).toBe('outside');
  const client = new OpenAI({ baseURL: `${all.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const { data, response } = await client.chat.completions
    .create({ model: 'chat', stream: true, messages: [{ role: 'user', content: 'hi' }] })
    .withResponse();
  expect(response.headers.get('x-headgate-fallback')).toBe('provider-x');
  let text = '';
  for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('outside');
  await end();
});

test('what breaks off after its first byte is told as that, and nobody else is asked', async () => {
  const all = await scene();
  const breaksOff: typeof all.a.script = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(`data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n`);
    setTimeout(() => response.destroy(), 50);
  };
  all.a.script = all.b.script = breaksOff;
  const answer = await talk(all, { stream: true });
  expect([answer.status, fallbackOf(answer)]).toEqual([200, null]);
  expect(errorAtEnd(await answer.text()).code).toBe('upstream_disconnected');
  expect(all.provider.requests).toHaveLength(0);
});

test('every worker of the pool is tried before the fallback is', async () => {
  const all = await scene({ retry: { max_attempts: 3, budget_ratio: 1 } });
  const fails = answers.error(500, { error: { message: 'oh', type: 'InternalServerError', param: null, code: 500 } });
  all.a.script = all.b.script = fails;
  const answer = await talk(all, {}, { headers: { 'x-request-id': 'tried' } });
  expect([answer.status, fallbackOf(answer)]).toEqual([200, 'provider-x']);
  expect([all.a.requests.length, all.b.requests.length, all.provider.requests.length]).toEqual([1, 1, 1]);
  expect(await endOf(all.gateway, 'tried')).toMatchObject({ attempts: 3, fallback: 'provider-x', fallback_reason: 'upstream' });
  // One that works is enough.
  all.b.script = answers.completion();
  const [before, asked] = [all.a.requests.length, all.provider.requests.length];
  for (let i = 0; i < 40; i++) expect(fallbackOf(await talk(all, { seed: i }))).toBeNull();
  expect(all.a.requests.length).toBeGreaterThan(before);
  expect(all.provider.requests).toHaveLength(asked);
});

test('of several fallbacks the first that can answer does; where none can, the call is told what its own model said', async () => {
  const y = await startFakeVllm(['provider-z']);
  open.push(y);
  const all = await scene({}, ['provider-x', 'provider-z']);
  all.gateway.settings = {
    ...all.gateway.settings,
    workers: [...(all.gateway.settings.workers as object[]), { url: y.url }] as NonNullable<SettingsInput['workers']>,
  };
  expect(all.gateway.gateway.reload().ok).toBe(true);
  await until(() => all.gateway.gateway.status().workers.filter(({ state }) => state === 'ready').length === 4, 'one more is ready');
  all.provider.script = answers.error(429, { error: { message: 'slow down', type: 'rate_limit_error', param: null, code: 429 } });
  const end = await full(all);
  expect(fallbackOf(await talk(all))).toBe('provider-z');
  y.script = all.provider.script;
  const refused = await talk(all);
  expect([refused.status, fallbackOf(refused), refused.headers.get('x-headgate-reason')]).toEqual([503, null, 'queue_full']);
  await end();
});

test('what is wrong with the request itself is told by whoever looked at it', async () => {
  const all = await scene();
  const refuses = answers.error(400, { error: { message: 'bad schema', type: 'BadRequestError', param: null, code: 400 } });
  all.a.script = all.b.script = refuses;
  const own = await talk(all);
  expect([own.status, fallbackOf(own)]).toEqual([400, null]);
  expect(all.provider.requests).toHaveLength(0);
  all.provider.script = refuses;
  const end = await full(all);
  const other = await talk(all);
  expect([other.status, fallbackOf(other)]).toEqual([400, 'provider-x']);
  await end();
});

test('tokens are counted by the model itself or by nobody, and lines of batches wait for it', { timeout: 60_000 }, async () => {
  const all = await scene({}, ['provider-x'], scratchFolder());
  await all.a.die();
  await all.b.die();
  await until(() => all.gateway.gateway.status().models.find(({ id }) => id === 'chat')?.state !== 'ready', 'the pool is down');
  expect((await ask(all.gateway.url, { model: 'chat', prompt: 'hi' }, { path: '/tokenize' })).status).toBe(503);
  const id = await submit(all.gateway.url, [inputLine('one', 'hi', 'chat')]);
  await until(async () => (await batchOf(all.gateway.url, id)).status === 'in_progress', 'it has begun');
  expect(fallbackOf(await talk(all))).toBe('provider-x');
  expect(all.provider.requests).toHaveLength(1);
  expect((await batchOf(all.gateway.url, id)).request_counts).toMatchObject({ completed: 0, failed: 0 });
});

test('what a fallback has answered is given to those who ask at the same time, and kept for nobody', async () => {
  const all = await scene({ cache: { enabled: true } });
  const end = await full(all);
  const places = hold(all.provider, answers.completion('from outside'));
  const same = { temperature: 0, seed: 7 };
  const first = talk(all, same);
  await places.reached(1);
  const second = talk(all, same);
  const alone = await talk(all, same, { headers: { 'x-headgate-fallback': 'none' } });
  expect([alone.status, fallbackOf(alone)]).toEqual([503, null]);
  places.open();
  const both = await Promise.all([first, second]);
  expect(both.map(fallbackOf)).toEqual(['provider-x', 'provider-x']);
  await Promise.all(both.map((answer) => answer.text()));
  expect(all.provider.requests).toHaveLength(1);
  await end();
  const later = await talk(all, same);
  expect([later.headers.get('x-headgate-cache'), fallbackOf(later)]).toEqual(['miss', null]);
});
