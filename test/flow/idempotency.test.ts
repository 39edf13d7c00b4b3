import OpenAI from 'openai';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, event, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled } from './settled.ts';

// What comes twice under one key is done once.

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

async function start(settings: SettingsInput = {}): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], settings);
  await gateway.gateway.firstReady;
  return gateway;
}

function held(): ServerResponse[] {
  const responses: ServerResponse[] = [];
  worker.script = (_, response) => void responses.push(response);
  return responses;
}

const under = (key: string, more: object = {}) => ({ headers: { 'idempotency-key': key, ...more } });
const answer = (response: ServerResponse, text?: string) => answers.completion(text)({ path: '', headers: {}, body: '' }, response);

test('an answer is given again, with the name of the request that it was made for', async () => {
  const to = await start();
  const first = await ask(to.url, chat(), under('k-1'));
  expect(first.headers.get('idempotent-replayed')).toBeNull();
  const text = await first.text();
  await settled(to);
  // The draft's form of the same key.
  const again = await ask(to.url, chat(), under('"k-1"'));
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.headers.get('x-request-id')).toBe(first.headers.get('x-request-id'));
  expect(await again.text()).toBe(text);
  expect(worker.requests).toHaveLength(1);
  await (await ask(to.url, chat(), under('k-2'))).text();
  expect(worker.requests).toHaveLength(2);
  const page = await (await fetch(`${to.url}/metrics`)).text();
  expect(page).toContain('headgate_idempotent_replays_total 1');
});

test('one that comes while it is made waits for it; one that asks for something else is refused', async () => {
  const to = await start();
  const at = held();
  const first = ask(to.url, chat(), under('k'));
  await until(() => at.length === 1, 'the first is at the worker');
  const again = ask(to.url, chat(), under('k'));
  await until(() => to.gateway.figures.inFlight() === 2, 'it waits');
  const other = await ask(to.url, chat({ max_tokens: 9 }), under('k'));
  expect(other.status).toBe(422);
  expect(other.headers.get('x-should-retry')).toBe('false');
  expect((await errorOf(other)).code).toBe('idempotency_key_reused');
  answer(at[0]!);
  expect((await first).headers.get('idempotent-replayed')).toBeNull();
  expect((await again).headers.get('idempotent-replayed')).toBe('true');
  expect(await (await again).text()).toBe(await (await first).text());
  await settled(to);
  expect((await ask(to.url, chat({ max_tokens: 9 }), under('k'))).status).toBe(422);
  expect(worker.requests).toHaveLength(1);
});

test('a client whose time was over finds what goes on, and the worker is not asked twice', async () => {
  const to = await start();
  const at = held();
  const leaving = new AbortController();
  const first = ask(to.url, chat(), { ...under('k'), signal: leaving.signal });
  await until(() => at.length === 1, 'the first is at the worker');
  leaving.abort();
  await expect(first).rejects.toThrow();
  const again = ask(to.url, chat(), under('k'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(worker.requests[0]!.closed).toBe(false);
  answer(at[0]!, 'made once');
  expect(await (await again).text()).toContain('made once');
  expect(worker.requests).toHaveLength(1);
  await settled(to);
});

test('what goes on for a client that has hung up is at its cost, and takes its place', async () => {
  const key = 'hg-key-of-app-a-000';
  const limits = { concurrent_requests: 1, tokens_per_minute: 1_000 };
  const to = await start({ auth: { keys: [{ name: 'a', key, limits }] } });
  const at = held();
  const leaving = new AbortController();
  const headers = { authorization: `Bearer ${key}` };
  const first = ask(to.url, chat({ max_tokens: 100 }), { ...under('k', headers), signal: leaving.signal });
  await until(() => at.length === 1, 'the first is at the worker');
  leaving.abort();
  await expect(first).rejects.toThrow();
  // Its client is gone, and it is not.
  const refused = await ask(to.url, chat({ max_tokens: 100 }), under('other', headers));
  expect(refused.status).toBe(429);
  expect(to.gateway.figures.inFlight()).toBe(1);
  answer(at[0]!);
  await settled(to);
  const page = await (await fetch(`${to.url}/metrics`)).text();
  expect(page).toContain('headgate_key_tokens_total{key="a",model="m",kind="output"} 2');
  const again = await ask(to.url, chat({ max_tokens: 100 }), under('k', headers));
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(worker.requests).toHaveLength(1);
});

test('what nobody comes back for is given up after its grace', async () => {
  const to = await start({ idempotency: { join_grace_ms: 50 } });
  const at = held();
  const leaving = new AbortController();
  const first = ask(to.url, chat(), { ...under('k'), signal: leaving.signal });
  await until(() => at.length === 1, 'the first is at the worker');
  leaving.abort();
  await expect(first).rejects.toThrow();
  await until(() => worker.requests[0]!.closed, 'the worker is told');
  await settled(to);
});

test('a stream is never shared while it runs; when it is done it is given again as one', async () => {
  const to = await start();
  const at = held();
  const body = chat({ stream: true });
  const first = ask(to.url, body, under('k'));
  await until(() => at.length === 1, 'the first is at the worker');
  const refused = await ask(to.url, body, under('k'));
  expect(refused.status).toBe(409);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  expect((await errorOf(refused)).code).toBe('idempotency_in_progress');
  at[0]!.writeHead(200, { 'content-type': 'text/event-stream' });
  at[0]!.end(`${event('a')}${event('', 'stop')}data: [DONE]\n\n`);
  const text = await (await first).text();
  await settled(to);
  const again = await ask(to.url, body, under('k'));
  expect(again.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(await again.text()).toBe(text);
  expect(worker.requests).toHaveLength(1);
});

test('what failed or was refused is tried anew', async () => {
  const to = await start({ retry: { max_attempts: 1 } });
  worker.script = answers.error(500, { error: { message: 'no' } });
  expect((await ask(to.url, chat(), under('k'))).status).toBe(502);
  worker.script = answers.error(400, { error: { message: 'no' } });
  expect((await ask(to.url, chat(), under('k'))).status).toBe(400);
  worker.script = answers.completion();
  expect((await ask(to.url, chat(), under('k'))).status).toBe(200);
  expect(worker.requests).toHaveLength(3);
});

test('of several that waited for one that failed, one tries anew and the others wait for it', async () => {
  const to = await start({ retry: { max_attempts: 1 } });
  const at = held();
  const asked = [1, 2, 3].map(() => ask(to.url, chat(), under('k')));
  await until(() => to.gateway.figures.inFlight() === 3 && at.length === 1, 'all are there');
  answers.error(500, { error: { message: 'no' } })({ path: '', headers: {}, body: '' }, at[0]!);
  await until(() => at.length === 2, 'one tries anew');
  answer(at[1]!);
  expect((await Promise.all(asked)).map(({ status }) => status).toSorted()).toEqual([200, 200, 502]);
  expect(worker.requests).toHaveLength(2);
});

test('the keys of two clients have nothing in common', async () => {
  const keys = ['a', 'b'].map((name) => ({ name, key: `hg-key-of-app-${name}-000` }));
  const to = await start({ auth: { keys } });
  for (const { key } of keys)
    expect((await ask(to.url, chat(), under('k', { authorization: `Bearer ${key}` }))).headers.get('idempotent-replayed')).toBeNull();
  expect(worker.requests).toHaveLength(2);
});

test.each(['', ' ', 'a b', 'ä', `${'x'.repeat(256)}`])('a key that is none is refused: %j', async (key) => {
  const to = await start();
  const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') };
  const refused = await ask(to.url, chat(), { headers });
  expect(refused.status).toBe(400);
  expect((await errorOf(refused)).code).toBe('invalid_idempotency_key');
});

test('the openai SDK’s own retry finds the answer of its first try', async () => {
  const to = await start();
  const at = held();
  let tries = 0;
  const counted: typeof fetch = (...args) => {
    tries++;
    return fetch(...args);
  };
  const client = new OpenAI({ baseURL: `${to.url}/v1`, apiKey: 'x', timeout: 4_000, maxRetries: 3, fetch: counted });
  const asked = client.chat.completions.create(
    { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
    { headers: { 'Idempotency-Key': 'k' } },
  );
  await until(() => at.length === 1, 'the first is at the worker');
  await until(() => tries >= 2, 'it tries again');
  answer(at[0]!, 'made once');
  expect((await asked).choices[0]!.message.content).toBe('made once');
  expect(worker.requests).toHaveLength(1);
});

test('switched off, a key is nobody’s business', async () => {
  const to = await start({ idempotency: { enabled: false } });
  for (const key of ['k', 'k', 'a b']) expect((await ask(to.url, chat(), under(key))).status).toBe(200);
  expect(worker.requests).toHaveLength(3);
});
