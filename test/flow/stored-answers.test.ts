import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, errorOf } from './asking.ts';
import { endOf, settled, statsOf } from './settled.ts';

// What a worker keeps of /v1/responses is had from that worker, and from no other.

let workers: [FakeVllm, FakeVllm];
let gateway: TestGateway;

beforeEach(async () => {
  workers = [await startFakeVllm(), await startFakeVllm()];
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    { load_balancer: { policy: 'round_robin', slow_start_ms: 0 } },
  );
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both ready');
});

afterEach(async () => {
  await gateway.stop();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
});

const response = (id: string, status = 'completed') => ({
  id,
  object: 'response',
  status,
  output: [{ type: 'message', content: [{ type: 'output_text', text: 'Hello' }] }],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
});
/** Answers as a worker that calls its answers so. */
const calling =
  (name: string): Script =>
  ({ body }, to) => {
    const isStream = body.includes('"stream":true');
    to.writeHead(200, { 'content-type': isStream ? 'text/event-stream; charset=utf-8' : 'application/json' });
    if (!isStream) return void to.end(JSON.stringify(response(name)));
    const event = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ ...more, sequence_number: 0, type })}\n\n`;
    to.write(event('response.created', { response: response(name, 'in_progress') }));
    to.end(event('response.completed', { response: response(name) }));
  };

async function make(index: 0 | 1, name: string, stream = false): Promise<void> {
  for (const worker of workers) worker.script = calling(`resp_of-the-other`);
  workers[index].script = calling(name);
  for (;;) {
    const made = await ask(gateway.url, { model: 'm', input: 'hi', stream }, { path: '/v1/responses' });
    const text = await made.text();
    if (text.includes(name)) return;
  }
}

test.each([false, true])('an answer (stream: %s) is read and cancelled where it was made', async (stream) => {
  await make(1, 'resp_one', stream);
  workers[1].pages['/v1/responses/resp_one'] = response('resp_one', 'cancelled');
  const before = (await statsOf(gateway)) as unknown as { tokens: { input: number } };
  for (let i = 0; i < 4; i++) {
    const read = await fetch(`${gateway.url}/v1/responses/resp_one`, { headers: { 'x-request-id': `read-${i}` } });
    expect(read.status).toBe(200);
    expect(await read.json()).toMatchObject({ id: 'resp_one', status: 'cancelled' });
    expect(read.headers.get('x-headgate-worker')).toBe(new URL(workers[1].url).host);
  }
  workers[1].script = ({ path }, to) => void to.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ path }));
  const cancelled = await ask(gateway.url, {}, { path: '/v1/responses/resp_one/cancel' });
  expect(await cancelled.json()).toEqual({ path: '/v1/responses/resp_one/cancel' });
  expect(workers[0].gets).toEqual([]);
  expect(await endOf(gateway, 'read-0')).toMatchObject({ method: 'GET', route: '/v1/responses/{id}', status: 200 });
  // It was counted when it was made.
  expect(((await statsOf(gateway)) as unknown as typeof before).tokens).toEqual(before.tokens);
  await settled(gateway);
});

test('what goes on from an answer goes to the worker that keeps it', async () => {
  await make(0, 'resp_first');
  const before = workers[0].requests.length;
  for (let i = 0; i < 4; i++) {
    const next = await ask(gateway.url, { model: 'm', input: 'and?', previous_response_id: 'resp_first' }, { path: '/v1/responses' });
    expect(next.status).toBe(200);
    await next.text();
  }
  expect(workers[0].requests).toHaveLength(before + 4);
});

test('the query goes on to the worker as far as it is harmless', async () => {
  await make(0, 'resp_two');
  workers[0].pages['/v1/responses/resp_two?starting_after=3&include[]=x'] = response('resp_two');
  expect((await fetch(`${gateway.url}/v1/responses/resp_two?starting_after=3&include[]=x`)).status).toBe(200);
  await fetch(`${gateway.url}/v1/responses/resp_two?a=${'%20'.repeat(200)}`);
  expect(workers[0].gets.at(-1)).toBe('/v1/responses/resp_two');
});

test('an answer that nobody is known to have is not found, and no worker is asked', async () => {
  const read = await fetch(`${gateway.url}/v1/responses/resp_unknown`);
  expect(read.status).toBe(404);
  expect(await errorOf(read)).toMatchObject({ code: 'not_found', param: 'response_id' });
  expect([...workers[0].gets, ...workers[1].gets]).toEqual([]);
  const wrong = await fetch(`${gateway.url}/v1/responses/resp_unknown`, { method: 'DELETE' });
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET']);
});

test('a worker says itself of what it does not have', async () => {
  await make(1, 'resp_gone');
  const read = await fetch(`${gateway.url}/v1/responses/resp_gone`);
  expect(read.status).toBe(404);
  expect(await errorOf(read)).toMatchObject({ code: 'not_found', message: expect.stringContaining('not found') as string });
  expect((await statsOf(gateway)).breakers[new URL(workers[1].url).host]?.state ?? 'closed').toBe('closed');
});

test.each([
  ['/v1/chat/completions/batch', { messages: [[{ role: 'user', content: 'a' }]], stream: true }],
  ['/v2/embed', { texts: ['a', 'b'], input_type: 'search_query' }],
  ['/generative_scoring', { query: 'a', items: ['b'], label_token_ids: [1, 2] }],
  ['/v1/chat/completions/render', { messages: [{ role: 'user', content: 'a' }] }],
  ['/v1/completions/render', { prompt: 'a' }],
  ['/v1/responses/render', { input: 'a' }],
  ['/v1/messages/render', { messages: [{ role: 'user', content: 'a' }], max_tokens: 5 }],
  ['/tokenize', { prompt: 'a', stream: true }],
])('%s is relayed in one piece', async (path, body) => {
  for (const worker of workers) {
    worker.script = ({ path: asked }, to) => void to.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ asked }));
  }
  const answer = await ask(gateway.url, { model: 'm', ...body }, { path, headers: { 'x-request-id': 'whole' } });
  expect([answer.status, await answer.json()]).toEqual([200, { asked: path }]);
  expect(await endOf(gateway, 'whole')).toMatchObject({ route: path, stream: false });
});

test('an endpoint that a worker has to be started with is refused as the worker says', async () => {
  const error = { message: 'Scale-out endpoints are disabled. Restart …', type: 'PermissionDeniedError', param: null, code: 403 };
  for (const worker of workers) {
    worker.script = (_request, to) => void to.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
  }
  const answer = await ask(gateway.url, { model: 'm', prompt: 'a' }, { path: '/v1/completions/render' });
  expect(answer.status).toBe(403);
  expect(await errorOf(answer)).toMatchObject({ type: 'permission_error', message: error.message });
});
