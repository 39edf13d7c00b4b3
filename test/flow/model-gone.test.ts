import { afterEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat, errorOf } from './asking.ts';

// A worker that has not the model any more for which the gateway sent it a call: that is nobody's mistake but its own.

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

const error = (message: string, more: object): Script => answers.error(404, { error: { message, ...more } });
const lacks = (model: string): Script =>
  error(`The model \`${model}\` does not exist.`, { type: 'NotFoundError', param: 'model', code: 404 });
const MANY = 30;
const QUIET: SettingsInput = { load_balancer: { policy: 'round_robin', slow_start_ms: 0 }, single_flight: { enabled: false } };

async function start(fakes: readonly FakeVllm[], settings: SettingsInput): Promise<TestGateway> {
  const gateway = await startTestGateway([], { workers: fakes.map(({ url }) => ({ url })), ...QUIET, ...settings });
  open.push(...fakes, gateway);
  await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'all are ready');
  return gateway;
}

async function statuses({ url }: TestGateway, model: string): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < MANY; seed++) {
    const answer = await ask(url, chat({ model, seed }));
    seen.add(`${answer.status} ${answer.headers.get('x-headgate-fallback') ?? ''}`.trim());
    await answer.text();
  }
  return seen;
}

const warnings = ({ log }: TestGateway, event: string) => log.filter((line) => line['event'] === event && line['level'] === 'warn');

test('a member of a pool that has lost its model: all calls are answered by the others, and the log says so once', async () => {
  const [a, b, small] = [await startFakeVllm(['qwen-a']), await startFakeVllm(['qwen-b']), await startFakeVllm(['small'])];
  const gateway = await start([a, b, small], { models: [{ id: 'chat', pool: ['qwen-a', 'qwen-b'], fallback: ['small'] }] });
  b.script = lacks('qwen-b');
  expect(await statuses(gateway, 'chat')).toEqual(new Set(['200']));
  expect(b.requests.length).toBeLessThan(4);
  expect(small.requests).toHaveLength(0);
  expect(warnings(gateway, 'worker.unserved')).toMatchObject([{ worker: new URL(b.url).host, model: 'qwen-b' }]);
  // Where no member has its model it is the fallback's.
  a.script = lacks('qwen-a');
  expect(await statuses(gateway, 'chat')).toEqual(new Set(['200 small']));
});

test('a server that was restarted with other weights gets no more calls for what it served before', async () => {
  const served = ['m'];
  const [a, b] = [await startFakeVllm(['m']), await startFakeVllm(served)];
  const gateway = await start([a, b], {});
  served[0] = 'n';
  b.script = lacks('m');
  expect(await statuses(gateway, 'm')).toEqual(new Set(['200']));
  expect(b.requests).toHaveLength(1);
  // By the look that it has brought about, and not by the next in its turn.
  await until(() => gateway.gateway.status().models.some(({ id, state }) => id === 'n' && state === 'ready'), 'it is known to serve n');
  b.script = answers.completion();
  expect(await statuses(gateway, 'n')).toEqual(new Set(['200']));
});

test('nor does one that is listed with what it does not serve, and its operator is told at once', async () => {
  const served = ['m'];
  const [a, b] = [await startFakeVllm(['m']), await startFakeVllm(served)];
  const gateway = await start([a, b], { workers: [a, b].map(({ url }) => ({ url, models: ['m'] })) });
  served[0] = 'n';
  b.script = lacks('m');
  expect(await statuses(gateway, 'm')).toEqual(new Set(['200']));
  expect(b.requests.length).toBeLessThan(4);
  const failureOf = () => gateway.gateway.status().workers.find(({ id }) => id === new URL(b.url).host)?.last_failure;
  await until(() => failureOf()?.class === 'wrong_models', 'the line of the settings is said to be wrong');
});

test('a model that nobody has any more: 503 that says so, and 404 once it is known', async () => {
  const served = ['m'];
  const [a, b] = [await startFakeVllm(['x']), await startFakeVllm(served)];
  const gateway = await start([a, b], {});
  b.script = lacks('m');
  const answer = await ask(gateway.url, chat({ model: 'm' }));
  expect([answer.status, answer.headers.get('x-headgate-reason')]).toEqual([503, 'no_worker']);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await errorOf(answer)).toMatchObject({
    code: 'no_worker',
    message: 'The worker that was asked for m says that it does not serve it any more.',
  });
  served[0] = 'n';
  await until(async () => (await ask(gateway.url, chat({ model: 'm' }))).status === 404, 'nobody is known to serve m');
});

test('a fallback that has dropped the model is passed over, and the client is told what its own model said', async () => {
  const [own, x, y] = [await startFakeVllm(['chat']), await startFakeVllm(['gpt-x']), await startFakeVllm(['gpt-y'])];
  const workers = [{ url: own.url }, { url: x.url, engine: 'openai' as const, models: ['gpt-x'] }, { url: y.url }];
  const gateway = await start([own, x, y], { workers, models: [{ id: 'chat', fallback: ['gpt-x', 'gpt-y'] }] });
  own.script = answers.error(500, { error: { message: 'oh', type: 'InternalServerError', param: null, code: 500 } });
  x.script = error('no such model gpt-x', { code: 'model_not_found' });
  const answer = await ask(gateway.url, chat({ model: 'chat' }));
  expect([answer.status, answer.headers.get('x-headgate-fallback')]).toEqual([200, 'gpt-y']);
  y.script = lacks('gpt-y');
  const refused = await ask(gateway.url, chat({ model: 'chat', seed: 2 }));
  expect([refused.status, (await errorOf(refused)).message]).toEqual([502, 'The worker failed to answer the request.']);
});
