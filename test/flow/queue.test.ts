import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorOf } from './asking.ts';
import { hold } from './holding.ts';
import { endOf, endsOf, settled } from './settled.ts';

/** A gateway with one place at its worker, so that the second call waits. */
async function startNarrow(worker: FakeVllm, admission: object = {}, more: object = {}): Promise<TestGateway> {
  const gateway = await startTestGateway([], {
    workers: [{ url: worker.url, max_num_seqs: 1 }],
    admission: { headroom: 0, ...admission },
    ...more,
  });
  await gateway.gateway.firstReady;
  return gateway;
}

function queued(gateway: TestGateway, count: number, priority: 'interactive' | 'batch' = 'interactive'): Promise<void> {
  return until(() => gateway.gateway.figures.queueDepth(priority) === count, `${count} ${priority} call(s) in the queue`);
}

/** Seeds of the requests in the order in which the worker got them. */
function seedsSeen(worker: FakeVllm): number[] {
  return worker.requests.map(({ body }) => (JSON.parse(body) as { seed: number }).seed);
}

function expectRetryHint(response: Response): void {
  expect(response.headers.get('retry-after')).toMatch(/^(?:[1-9]|[1-5]\d)$/);
  expect(response.headers.get('retry-after-ms')).toMatch(/^[1-9]\d*$/);
  expect(Number(response.headers.get('retry-after-ms'))).toBeLessThanOrEqual(59_000);
  expect(response.headers.get('x-should-retry')).toBeNull();
}

test('a hundred wait, and the one after them is told to come back', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker);
  const calls = [ask(gateway.url, chat({ seed: 0 }))];
  await places.reached(1);
  for (let i = 1; i <= 100; i++) {
    calls.push(ask(gateway.url, chat({ seed: i })));
    // One after the other, so that their order is known.
    await queued(gateway, i);
  }

  const refused = await ask(gateway.url, chat(), { headers: { 'x-request-id': 'one-too-many' } });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');
  expectRetryHint(refused);
  const error = await errorOf(refused);
  expect(error).toMatchObject({ type: 'service_unavailable_error', code: 'server_is_overloaded', param: null });
  expect(await endOf(gateway, 'one-too-many')).toMatchObject({ status: 503, outcome: 'refused', reason: 'queue_full' });
  expect(worker.requests).toHaveLength(1);

  places.open();
  const answered = await Promise.all(calls);
  expect(answered.map(({ status }) => status)).toEqual(calls.map(() => 200));
  expect(seedsSeen(worker)).toEqual(calls.map((_, i) => i));
  await settled(gateway);
  expect(endsOf(gateway).filter(({ status }) => status === 200)).toHaveLength(101);
}, 180_000);

test('the SDK comes back by itself when the queue was full, and is served once places come free', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker, { max_queue: 1 });
  const calls = [ask(gateway.url, chat())];
  await places.reached(1);
  calls.push(ask(gateway.url, chat()));
  await queued(gateway, 1);
  const statuses: number[] = [];
  const client = new OpenAI({
    baseURL: `${gateway.url}/v1`,
    apiKey: 'not-needed',
    maxRetries: 3,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      statuses.push(response.status);
      if (response.status === 503) places.open();
      return response;
    },
  });
  const answer = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
  expect(answer.choices[0]?.message.content).toBe('Hello');
  expect(statuses).toEqual([503, 200]);
  for (const call of calls) expect((await call).status).toBe(200);
  await settled(gateway);
}, 20_000);

test('what waited says how long in its answer', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker);
  const first = ask(gateway.url, chat());
  await places.reached(1);
  const second = ask(gateway.url, chat());
  await queued(gateway, 1);
  // Any time that can be told from none.
  await new Promise((resolve) => setTimeout(resolve, 30));
  places.open();
  expect((await first).headers.get('x-headgate-queue-ms')).toBe('0');
  expect(Number((await second).headers.get('x-headgate-queue-ms'))).toBeGreaterThanOrEqual(20);
  await settled(gateway);
});

test('what waits too long is refused, and its place in the queue is free', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker, { queue_timeout_ms: 60 });
  const running = ask(gateway.url, chat({ seed: 1 }));
  await places.reached(1);
  const refused = await ask(gateway.url, chat({ seed: 2 }));
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_timeout');
  expectRetryHint(refused);
  expect(await errorOf(refused)).toMatchObject({ type: 'service_unavailable_error', code: 'server_is_overloaded' });
  await queued(gateway, 0);
  places.open();
  expect((await running).status).toBe(200);
  expect((await ask(gateway.url, chat({ seed: 3 }))).status).toBe(200);
  expect(seedsSeen(worker)).toEqual([1, 3]);
  await settled(gateway);
});

test('time in the queue counts against the time a request may take in all', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker, {}, { timeouts: { request_total_ms: 150 } });
  const stream = ask(gateway.url, chat({ stream: true }));
  await places.reached(1);
  const late = await ask(gateway.url, chat());
  expect(late.status).toBe(504);
  expect(late.headers.get('x-headgate-reason')).toBe('deadline');
  expect(late.headers.get('x-should-retry')).toBe('false');
  expect(await errorOf(late)).toMatchObject({ type: 'server_error', code: 'timeout' });
  expect(worker.requests).toHaveLength(1);
  places.open();
  await (await stream).arrayBuffer();
  await settled(gateway);
});

test('interactive calls go before batch calls, whoever came first', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker);
  const batch = { 'x-headgate-priority': 'batch' };
  const calls = [ask(gateway.url, chat({ seed: 0 }))];
  await places.reached(1);
  for (const seed of [11, 12]) {
    calls.push(ask(gateway.url, chat({ seed }), { headers: batch }));
    await queued(gateway, seed - 10, 'batch');
  }
  for (const seed of [1, 2]) {
    calls.push(ask(gateway.url, chat({ seed })));
    await queued(gateway, seed);
  }
  for (let left = calls.length; left > 0; left--) {
    await places.reached(1);
    places.release();
  }
  await Promise.all(calls);
  expect(seedsSeen(worker)).toEqual([0, 1, 2, 11, 12]);
  await settled(gateway);
});

test.each(['head', 'tail'] as const)('a call that is aborted at the %s of the queue leaves no trace', async (place) => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker);
  const first = ask(gateway.url, chat({ seed: 0 }));
  await places.reached(1);
  const controllers = [1, 2, 3].map(() => new AbortController());
  const calls: Promise<Response>[] = [];
  for (const [i, { signal }] of controllers.entries()) {
    calls.push(ask(gateway.url, chat({ seed: i + 1 }), { signal, headers: { 'x-request-id': `call-${i + 1}` } }));
    await queued(gateway, i + 1);
  }
  const gone = place === 'head' ? 0 : 2;
  const outcome = calls[gone]!.catch((error: Error) => error.name);
  controllers[gone]!.abort();
  expect(await outcome).toBe('AbortError');
  await queued(gateway, 2);
  expect(await endOf(gateway, `call-${gone + 1}`)).toMatchObject({ outcome: 'disconnected', phase: 'queue', attempts: 0 });

  places.open();
  const left = [0, 1, 2].filter((i) => i !== gone);
  for (const call of [first, ...left.map((i) => calls[i]!)]) expect((await call).status).toBe(200);
  expect(seedsSeen(worker)).toEqual([0, ...left.map((i) => i + 1)]);
  await settled(gateway);
});

test('reject_status 429 says rate limit, slow down', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker, { max_queue: 0, reject_status: 429 });
  const running = ask(gateway.url, chat());
  await places.reached(1);
  const refused = await ask(gateway.url, chat());
  expect(refused.status).toBe(429);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');
  expectRetryHint(refused);
  expect(await errorOf(refused)).toMatchObject({ type: 'rate_limit_error', code: 'slow_down' });
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'not-needed', maxRetries: 0 });
  const thrown = await client.chat.completions.create({ model: 'm', messages: [] }).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(OpenAI.RateLimitError);
  places.open();
  expect((await running).status).toBe(200);
  await settled(gateway);
});

test('a KV cache that is full, with requests waiting for it, refuses more until it is not', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { pressure: { scrape_interval_ms: 20 } });
  await gateway.gateway.firstReady;
  worker.metrics = { kv_cache_usage_perc: 0.99, num_requests_waiting: 4 };
  let refused: Response | null = null;
  await until(async () => {
    const response = await ask(gateway.url, chat());
    if (response.status !== 200) refused = response;
    return refused !== null;
  }, 'a refusal');
  expect(refused!.status).toBe(503);
  expect(refused!.headers.get('x-headgate-reason')).toBe('kv_pressure');
  expectRetryHint(refused!);
  expect(await errorOf(refused!)).toMatchObject({ type: 'service_unavailable_error', code: 'server_is_overloaded' });
  worker.metrics = {};
  await until(async () => (await ask(gateway.url, chat())).status === 200, 'calls taken again');
  await settled(gateway);
});

test('what still waits when a drain has no more time is told so', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker);
  await using gateway = await startNarrow(worker, {}, { shutdown: { settle_ms: 0, grace_ms: 100 } });
  const running = ask(gateway.url, chat());
  await places.reached(1);
  const waiting = ask(gateway.url, chat());
  await queued(gateway, 1);
  await gateway.stop();
  for (const call of [running, waiting]) {
    const response = await call;
    expect(response.status).toBe(503);
    expect(response.headers.get('x-headgate-reason')).toBe('draining');
    expectRetryHint(response);
    expect(await errorOf(response)).toMatchObject({ type: 'service_unavailable_error', code: 'server_shutting_down' });
  }
  expect(worker.requests).toHaveLength(1);
  await until(() => worker.requests[0]!.closed, 'the worker freed');
  expect(endsOf(gateway)).toHaveLength(2);
});
