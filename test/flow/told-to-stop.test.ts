import { afterEach, expect, test } from 'vitest';
import { answers, event, type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat, contentOf, errorAtEnd, errorOf, flow } from './asking.ts';
import { settled, statsOf } from './settled.ts';

// Workers that somebody tells to stop, to sleep or to pause: as vLLM 0.32 does it, and not as a server should.

let workers: FakeVllm[];
let gateway: TestGateway;

async function house(count: number): Promise<void> {
  workers = await Promise.all(Array.from({ length: count }, () => startFakeVllm()));
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    { load_balancer: { policy: 'round_robin', slow_start_ms: 0 }, pressure: { scrape_interval_ms: 50 } },
  );
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'all of them ready');
}

afterEach(async () => {
  await gateway.stop();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
});

const idOf = ({ url }: FakeVllm): string => new URL(url).host;
const stateOf = async (worker: FakeVllm) => (await statsOf(gateway)).workers.find(({ id }) => id === idOf(worker))?.state;
/** Says a word, and nothing more. */
const oneWord: Script = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write(event('Once'));
};
const shuttingDown = answers.error(500, {
  error: { message: 'cannot schedule new futures after shutdown', type: 'InternalServerError', param: null, code: 500 },
});

test('a worker that closes its port and leaves its callers in silence has lost them, whatever they have of it', async () => {
  await house(2);
  const [stopped, other] = workers as [FakeVllm, FakeVllm];
  stopped.script = ({ body }, response) =>
    (body.includes('begun') ? oneWord : answers.silence())({ path: '', headers: {}, body }, response);
  other.script = ({ body }, response) =>
    (body.includes('"stream":true') ? answers.stream(['Hel', 'lo']) : answers.completion())({ path: '', headers: {}, body }, response);
  const begun: Promise<Response>[] = [];
  const silent: Promise<Response>[] = [];
  // In turns, so that each worker has one of each pair.
  for (const pair of [begun, begun, silent, silent, silent, silent]) {
    const before = stopped.requests.length + other.requests.length;
    pair.push(ask(gateway.url, chat(pair === begun ? { stream: true, user: 'begun' } : { stream: silent.length > 1 })));
    await until(() => stopped.requests.length + other.requests.length > before, 'a worker has it');
  }
  expect(stopped.requests).toHaveLength(3);
  const flows = await Promise.all(begun.map(async (response) => flow(await response)));
  stopped.closePort();
  for (const response of await Promise.all(silent)) {
    expect(response.status).toBe(200);
    await response.text();
  }
  for (const one of flows) {
    expect(await one.over).toBe('ended');
    if (one.response.headers.get('x-headgate-worker') === idOf(stopped)) expect(errorAtEnd(one.text()).message).toContain('stopped');
    else expect(contentOf(one.text())).toBe('Hello');
  }
  await settled(gateway);
  expect((await statsOf(gateway)).breakers[idOf(stopped)]?.state).not.toBe('open');
}, 20_000);

test('one that finishes what it has and refuses the rest is left alone until it is another', async () => {
  await house(1);
  const [worker] = workers as [FakeVllm];
  worker.script = shuttingDown;
  const response = await ask(gateway.url, chat());
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).not.toBeNull();
  expect(await errorOf(response)).toMatchObject({ code: 'no_worker', message: expect.stringContaining('shut down') as string });
  expect(await stateOf(worker)).not.toBe('ready');
  // Its health is good all the while.
  for (let i = 0; i < 5; i++) expect((await ask(gateway.url, chat())).status).toBe(503);
  expect(worker.requests).toHaveLength(1);
  worker.process = 2_000;
  worker.script = answers.completion();
  await until(async () => (await stateOf(worker)) === 'ready', 'its next life is taken in', 20_000);
  expect((await ask(gateway.url, chat())).status).toBe(200);
  expect((await statsOf(gateway)).breakers[idOf(worker)]).toMatchObject({ state: 'closed', consecutive_failures: 0 });
}, 30_000);

test('with another there nobody notices, and streams that the first one has go on to their end', async () => {
  await house(2);
  const [stopping, other] = workers as [FakeVllm, FakeVllm];
  other.script = ({ body }, response) =>
    (body.includes('"stream":true') ? answers.stream(['Hel', 'lo']) : answers.completion())({ path: '', headers: {}, body }, response);
  let finish = (): void => {};
  stopping.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(event('Hel'));
    finish = () => response.end(`${event('lo', 'stop')}data: [DONE]\n\n`);
  };
  const flows = await Promise.all([1, 2].map(async () => flow(await ask(gateway.url, chat({ stream: true })))));
  stopping.script = shuttingDown;
  for (let i = 0; i < 10; i++) {
    const response = await ask(gateway.url, chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-headgate-worker')).toBe(idOf(other));
  }
  expect(stopping.requests).toHaveLength(2);
  finish();
  for (const one of flows) {
    await one.over;
    expect(contentOf(one.text())).toBe('Hello');
  }
});

test('one that is asleep is not asked, and serves again when it is awake', async () => {
  await house(1);
  const [worker] = workers as [FakeVllm];
  worker.rest = 'asleep';
  await until(async () => (await stateOf(worker)) !== 'ready', 'it is seen', 10_000);
  const response = await ask(gateway.url, chat());
  expect(response.status).toBe(503);
  expect((await errorOf(response)).message).toContain('put to sleep');
  expect(worker.requests).toHaveLength(0);
  worker.rest = null;
  await until(async () => (await stateOf(worker)) === 'ready', 'it is back', 10_000);
  expect((await ask(gateway.url, chat())).status).toBe(200);
}, 30_000);

test('a call that waits at one that falls asleep is answered by another', async () => {
  await house(2);
  const [sleeper, other] = workers as [FakeVllm, FakeVllm];
  sleeper.script = answers.silence();
  const both = [ask(gateway.url, chat()), ask(gateway.url, chat())];
  await until(() => sleeper.requests.length === 1, 'it has one');
  sleeper.rest = 'asleep';
  for (const response of await Promise.all(both)) expect(response.headers.get('x-headgate-worker')).toBe(idOf(other));
});
