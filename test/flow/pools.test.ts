import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat, errorOf } from './asking.ts';
import { ended, inputLine, submit } from './batch-scene.ts';
import { hold } from './holding.ts';
import { settled } from './settled.ts';

// Several models behind one name: each call goes to one of their workers, which is asked by the name it knows.

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

const MODELS: NonNullable<SettingsInput['models']> = [{ id: 'chat', pool: ['qwen-a', 'qwen-b'], aliases: ['gpt-4o'] }];

/** `chat` before a worker of qwen-a with `places[0]` places and one of qwen-b with `places[1]`. */
async function pooled(places: readonly [number, number], more: SettingsInput = {}, historyDir?: string) {
  const [a, b] = [await startFakeVllm(['qwen-a']), await startFakeVllm(['qwen-b'])];
  const workers = [
    { url: a.url, max_num_seqs: places[0] },
    { url: b.url, max_num_seqs: places[1] },
  ];
  const settings = { workers, models: MODELS, admission: { headroom: 0 }, load_balancer: { slow_start_ms: 0 }, ...more };
  const gateway = await startTestGateway([], settings, undefined, historyDir);
  open.push(a, b, gateway);
  await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'both are ready');
  return { a, b, gateway };
}

const modelsAsked = ({ requests }: FakeVllm): unknown[] => requests.map(({ body }) => (JSON.parse(body) as { model: string }).model);
const some = (count: number, model = 'chat') => Array.from({ length: count }, (_, seed) => chat({ model, seed }));

test('calls go to all workers of a pool as those have places, each asked by the name of its own model', async () => {
  const { a, b, gateway } = await pooled([2, 6]);
  const [atA, atB] = [hold(a), hold(b)];
  const calls = some(8).map((body) => ask(gateway.url, body));
  await until(() => atA.waiting() + atB.waiting() === 8, 'all places are taken');
  expect([atA.waiting(), atB.waiting()]).toEqual([2, 6]);
  calls.push(ask(gateway.url, chat({ model: 'gpt-4o', seed: 8 })));
  await until(() => gateway.gateway.figures.queueDepth('interactive') === 1, 'one more waits');
  atA.open();
  atB.open();
  for (const answer of await Promise.all(calls)) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-headgate-model')).toBe('chat');
    expect(answer.headers.get('x-headgate-fallback')).toBeNull();
  }
  expect(new Set(modelsAsked(a))).toEqual(new Set(['qwen-a']));
  expect(new Set(modelsAsked(b))).toEqual(new Set(['qwen-b']));
  // Nothing but the name is changed.
  expect(a.requests[0]!.body).toMatch(/^\{"model":"qwen-a","messages":\[\{"role":"user","content":"hi"\}\],"seed":\d\}$/);
});

test('what a call for a member takes, the pool has not: a place is given once', async () => {
  const { a, b, gateway } = await pooled([2, 2]);
  const [atA, atB] = [hold(a), hold(b)];
  const direct = some(2, 'qwen-a').map((body) => ask(gateway.url, body));
  await atA.reached(2);
  const calls = some(3).map((body) => ask(gateway.url, body));
  await atB.reached(2);
  await until(() => gateway.gateway.figures.queueDepth('interactive') === 1, 'the third waits');
  const more = ask(gateway.url, chat({ model: 'qwen-b' }));
  await until(() => gateway.gateway.figures.queueDepth('interactive') === 2, 'and so does one for a member that is full');
  expect([atA.waiting(), atB.waiting()]).toEqual([2, 2]);
  // A place that a direct call gives back is one of the pool's.
  atA.release();
  await until(() => gateway.gateway.figures.queueDepth('interactive') === 1, 'the pool has it');
  await until(() => atA.waiting() === 2, 'at the worker of that member');
  atA.open();
  atB.open();
  for (const answer of await Promise.all([...direct, ...calls, more])) expect(answer.status).toBe(200);
  await settled(gateway);
});

test('/v1/models, /admin/status and a key see a pool as one model that is what its best member is', async () => {
  const key = 'hg-the-key-of-the-pool-1';
  const { a, gateway } = await pooled([4, 4], { auth: { keys: [{ name: 'app', key, models: ['chat'] }] } });
  const asApp = { authorization: `Bearer ${key}` };
  const list = (await (await fetch(`${gateway.url}/v1/models`, { headers: asApp })).json()) as { data: { id: string }[] };
  // Its members are not its own, and are used through the pool all the same.
  expect(list.data).toMatchObject([{ id: 'chat', root: 'chat', max_model_len: 8192, headgate: { state: 'ready' } }, { id: 'gpt-4o' }]);
  expect((await ask(gateway.url, chat({ model: 'chat' }), { headers: asApp })).status).toBe(200);
  const hidden = await ask(gateway.url, chat({ model: 'qwen-a' }), { headers: asApp });
  expect([hidden.status, (await errorOf(hidden)).code]).toEqual([404, 'model_not_found']);
  await a.die();
  await until(() => gateway.gateway.status().workers.some(({ state }) => state !== 'ready'), 'one has gone');
  expect(gateway.gateway.status().models.find(({ id }) => id === 'chat')).toMatchObject({ state: 'ready', pool: ['qwen-a', 'qwen-b'] });
  expect((await ask(gateway.url, chat({ model: 'chat' }), { headers: asApp })).status).toBe(200);
});

test('a pool cannot be loaded or unloaded by itself, and says what can', async () => {
  const { gateway } = await pooled([4, 4]);
  const answer = await fetch(`${gateway.url}/admin/models/chat/load`, { method: 'POST', headers: AS_ADMIN });
  expect([answer.status, (await errorOf(answer)).message]).toEqual([
    409,
    'chat is a pool, of which no engine is: load a model in it (qwen-a, qwen-b).',
  ]);
});

test('lines of a batch run on all members, each within its places', { timeout: 60_000 }, async () => {
  const { a, b, gateway } = await pooled([2, 2], {}, scratchFolder());
  const id = await submit(
    gateway.url,
    Array.from({ length: 40 }, (_, at) => inputLine(`line-${at}`, `say ${at}`, 'chat')),
  );
  const { batch, output } = await ended(gateway, id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 40, completed: 40, failed: 0 } });
  expect(new Set(output.map(({ custom_id }) => custom_id)).size).toBe(40);
  expect(new Set([...modelsAsked(a), ...modelsAsked(b)])).toEqual(new Set(['qwen-a', 'qwen-b']));
});

test('uploads are named after the member as well', async () => {
  const { a, b, gateway } = await pooled([4, 4]);
  const form = new FormData();
  form.append('file', new Blob(['RIFF']), 'a.wav');
  form.append('model', 'gpt-4o');
  const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  await answer.text();
  const [got] = [...a.requests, ...b.requests];
  expect(got!.body).toContain(a.requests.length === 1 ? '\r\n\r\nqwen-a\r\n' : '\r\n\r\nqwen-b\r\n');
  expect(got!.body).not.toContain('gpt-4o');
});

test('a reload makes, changes and ends pools without a restart', async () => {
  const { a, b, gateway } = await pooled([4, 4]);
  gateway.settings = { ...gateway.settings, models: [{ id: 'chat', pool: ['qwen-b'] }] };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true, needsRestart: [] });
  for (const body of some(6)) expect((await ask(gateway.url, body)).status).toBe(200);
  expect([a.requests.length, b.requests.length]).toEqual([0, 6]);
  gateway.settings = { ...gateway.settings, models: [{ id: 'chat', pool: ['qwen-a', 'chat'] }] };
  const refused = gateway.gateway.reload();
  expect(refused.ok).toBe(false);
  expect(refused.problems.join()).toContain('chat cannot be in its own pool');
  gateway.settings = { ...gateway.settings, models: [] };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true });
  expect((await ask(gateway.url, chat({ model: 'chat' }))).status).toBe(404);
});

test('the OpenAI SDK reads a stream of a pool as any other', async () => {
  const { a, b, gateway } = await pooled([4, 4]);
  a.script = b.script = answers.stream();
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
  let text = '';
  const stream = await client.chat.completions.create({ model: 'chat', stream: true, messages: [{ role: 'user', content: 'hi' }] });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('Hello');
  await until(() => gateway.log.some(({ event }) => event === 'request.end'), 'its end');
  const line = gateway.log.find(({ event }) => event === 'request.end');
  expect(line).toMatchObject({ model: 'chat', status: 200 });
  expect(line).not.toHaveProperty('fallback');
});
