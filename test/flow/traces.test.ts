import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { allReady, startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { type OtlpCollector, type SeenSpan, startOtlpCollector } from '../support/otlp-collector.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat } from './asking.ts';
import { ended, inputLine, submit } from './batch-scene.ts';
import { endsOf } from './settled.ts';

const CLIENTS = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const TRACEPARENT = `00-${CLIENTS.traceId}-${CLIENTS.spanId}-01`;
const ALONE = { single_flight: { enabled: false } };

function traced(collector: OtlpCollector, more: object = {}) {
  return { telemetry: { otlp_endpoint: collector.url, sample_ratio: 1, ...more } };
}

/** Ends the gateway, so that every span is there. */
async function spansOf(gateway: TestGateway, { spans }: OtlpCollector): Promise<SeenSpan[]> {
  await gateway.stop();
  return spans;
}

function named(spans: readonly SeenSpan[], name: string): SeenSpan {
  const found = spans.find((span) => span.name === name);
  if (!found) throw new Error(`there is no ${name} among ${spans.map((span) => span.name).join(', ')}`);
  return found;
}

/** Every span but the first lies within its parent. */
function expectWithin(spans: readonly SeenSpan[]): void {
  for (const span of spans) {
    const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
    if (!parent) continue;
    expect(span.fromMs, span.name).toBeGreaterThanOrEqual(parent.fromMs);
    expect(span.toMs, span.name).toBeLessThanOrEqual(parent.toMs);
    expect(span.toMs, span.name).toBeGreaterThanOrEqual(span.fromMs);
  }
}

test('a stream is a waterfall: what was read, admitted, held and asked of a worker, which continues the trace', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  worker.script = answers.stream(['Hel', 'lo'], 5);
  await using gateway = await startTestGateway([worker.url], {
    ...traced(collector),
    batch_window: { window_ms: 20, guardrail: { enabled: false } },
  });
  await gateway.gateway.firstReady;
  const answer = await ask(gateway.url, chat({ stream: true, max_tokens: 7 }), {
    headers: { traceparent: TRACEPARENT, tracestate: 'a=1' },
  });
  await answer.text();
  await until(() => endsOf(gateway).length === 1, 'its end');
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  const overheadMs = Number(/^headgate_overhead_seconds_sum (\S+)$/m.exec(page)![1]) * 1_000;
  const spans = await spansOf(gateway, collector);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  const root = named(spans, 'POST /v1/chat/completions');
  const [receive, admission, window, attempt] = ['receive', 'admission', 'window', 'chat m'].map((name) => named(spans, name));
  expect(spans).toHaveLength(5);
  expect(root).toMatchObject({ kind: 2, parentSpanId: '', status: 0, links: [CLIENTS] });
  expect(root.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/v1/chat/completions',
    'http.response.status_code': 200,
    'gen_ai.request.model': 'm',
    'headgate.outcome': 'complete',
    'headgate.kept': 'sampled',
    'headgate.request.id': answer.headers.get('x-request-id'),
  });
  for (const child of [receive, admission, window, attempt]) expect(child!.parentSpanId).toBe(root.spanId);
  expect(attempt).toMatchObject({ kind: 3, status: 0 });
  expect(attempt!.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'vllm',
    'gen_ai.request.model': 'm',
    'gen_ai.request.stream': true,
    'gen_ai.request.max_tokens': 7,
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(worker.url).port),
    'headgate.attempt': 1,
  });
  expect(attempt!.events.map(({ name }) => name)).toEqual(['first_token']);
  const firstMs = attempt!.events[0]!.atMs;
  expect(attempt!.attributes['gen_ai.response.time_to_first_chunk']).toBeCloseTo((firstMs - attempt!.fromMs) / 1000, 5);
  expectWithin(spans);
  // One after the other, from the first moment on.
  expect(receive!.fromMs).toBe(root.fromMs);
  expect(admission!.fromMs).toBe(receive!.toMs);
  expect(window!.fromMs).toBeGreaterThanOrEqual(admission!.toMs);
  expect(attempt!.fromMs).toBeGreaterThanOrEqual(window!.toMs);
  // They add up to the request's time, but for what the gateway itself was busy with in between.
  const between = root.toMs - root.fromMs - [receive, admission, window, attempt].reduce((sum, span) => sum + span!.toMs - span!.fromMs, 0);
  expect(between).toBeGreaterThanOrEqual(0);
  expect(between).toBeLessThanOrEqual(overheadMs + 0.02);
  expect(window!.toMs - window!.fromMs).toBeCloseTo(root.attributes['headgate.window_ms'] as number, 1);
  const sent = worker.requests[0]!.headers;
  expect(sent['traceparent']).toBe(`00-${root.traceId}-${attempt!.spanId}-01`);
  expect(root.traceId).not.toBe(CLIENTS.traceId);
  // It belongs to the client's own trace.
  expect(sent['tracestate']).toBeUndefined();
  expect(endsOf(gateway)).toMatchObject([{ trace_id: root.traceId, span_id: root.spanId, traced: 'sampled' }]);
  expect(root.resource).toMatchObject({ 'service.name': 'headgate', 'process.pid': process.pid });
});

test('a client that is trusted has its trace continued, and says whether it is sampled', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], traced(collector, { trust_incoming: true }));
  await gateway.gateway.firstReady;
  await (await ask(gateway.url, chat(), { headers: { traceparent: TRACEPARENT, tracestate: 'a=1' } })).text();
  await (await ask(gateway.url, chat(), { headers: { traceparent: `${TRACEPARENT.slice(0, -2)}00` } })).text();
  const spans = await spansOf(gateway, collector);
  const root = named(spans, 'POST /v1/chat/completions');
  expect(root).toMatchObject({ traceId: CLIENTS.traceId, parentSpanId: CLIENTS.spanId, links: [] });
  expect(spans.filter(({ kind }) => kind === 2)).toHaveLength(1);
  expect(worker.requests[0]!.headers).toMatchObject({
    traceparent: `00-${CLIENTS.traceId}-${named(spans, 'chat m').spanId}-01`,
    tracestate: 'a=1',
  });
  expect(worker.requests[1]!.headers['traceparent']).toMatch(new RegExp(`^00-${CLIENTS.traceId}-[0-9a-f]{16}-00$`));
});

test('a stranger does not decide what is sampled: neither the share that is kept, nor what the worker is told', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], traced(collector, { sample_ratio: 0 }));
  await gateway.gateway.firstReady;
  await (await ask(gateway.url, chat(), { headers: { traceparent: TRACEPARENT } })).text();
  expect(await spansOf(gateway, collector)).toEqual([]);
  expect(worker.requests[0]!.headers['traceparent']).toMatch(/-00$/);
  const [end] = endsOf(gateway);
  expect(end).toMatchObject({ trace_id: expect.stringMatching(/^[0-9a-f]{32}$/), span_id: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(end).not.toHaveProperty('traced');
});

test('each attempt is a span, which says why the one before failed; all errors of 20 are kept though nothing else is', async () => {
  await using collector = await startOtlpCollector();
  await using broken = await startFakeVllm();
  await using sound = await startFakeVllm();
  broken.script = answers.error(500, { error: { message: 'boom', type: 'InternalServerError', code: 500 } });
  sound.script = (request, response) => (request.body.includes('good') ? answers.completion() : broken.script)(request, response);
  await using gateway = await startTestGateway([broken.url, sound.url], {
    ...traced(collector, { sample_ratio: 0 }),
    ...ALONE,
    circuit_breaker: { failures: 1000, min_requests: 1000 },
    retry: { max_attempts: 2, budget_ratio: 1 },
  });
  await allReady(gateway);
  for (let n = 0; n < 20; n++) {
    const bad = await ask(gateway.url, chat({ messages: [{ role: 'user', content: `bad ${n}` }] }));
    expect(bad.status).toBeGreaterThanOrEqual(500);
    await bad.text();
  }
  const spans = await spansOf(gateway, collector);
  const roots = spans.filter(({ kind }) => kind === 2);
  expect(roots).toHaveLength(20);
  for (const root of roots) expect(root).toMatchObject({ status: 2, attributes: { 'headgate.kept': 'error' } });
  const retried = spans.filter(({ attributes }) => attributes['headgate.attempt'] === 2);
  expect(retried.length).toBeGreaterThan(0);
  for (const { attributes, traceId } of retried) {
    expect(attributes['headgate.retry.reason']).toBe('failed');
    const first = spans.find((span) => span.traceId === traceId && span.attributes['headgate.attempt'] === 1)!;
    expect(first).toMatchObject({ status: 2, attributes: { 'error.type': expect.any(String) } });
    expect(first.attributes['headgate.worker.id']).not.toBe(attributes['headgate.worker.id']);
  }
  expectWithin(spans);
});

test('of 3,020 requests every one of 20 errors reaches the collector, and of the others those whose names say so: about 3 %', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  const [good, bad] = [answers.completion(), answers.error(500, { error: { message: 'boom', type: 'InternalServerError', code: 500 } })];
  worker.script = (request, response) => (request.body.includes('bad') ? bad : good)(request, response);
  await using gateway = await startTestGateway([worker.url], {
    ...traced(collector, { sample_ratio: 0.03, slow_ms: 600_000 }),
    ...ALONE,
    circuit_breaker: { failures: 1000, min_requests: 10_000 },
    retry: { max_attempts: 1 },
  });
  await gateway.gateway.firstReady;
  const all = Array.from({ length: 3_020 }, (_, n) => (n % 151 === 0 ? 'bad' : 'good'));
  for (let n = 0; n < all.length; n += 20) {
    const some = all.slice(n, n + 20).map((content) => ask(gateway.url, chat({ messages: [{ role: 'user', content }] })));
    for (const answer of await Promise.all(some)) await answer.text();
  }
  const roots = (await spansOf(gateway, collector)).filter(({ kind }) => kind === 2);
  const names = (kept: string): string[] =>
    roots.flatMap(({ attributes, traceId }) => (attributes['headgate.kept'] === kept ? traceId : [])).toSorted();
  const ends = endsOf(gateway).map((end) => ({ status: end['status'], traceId: end['trace_id'] as string }));
  expect(ends).toHaveLength(all.length);
  const failed = ends.filter(({ status }) => status !== 200);
  expect(failed).toHaveLength(20);
  expect(names('error')).toEqual(failed.map(({ traceId }) => traceId).toSorted());
  // The random part of its name is in the last 3 % of what it may be. Such a share strays: by more than half of itself once in ten million times.
  const share = ends.filter(({ status, traceId }) => status === 200 && parseInt(traceId.slice(18, 26), 16) >= 0.97 * 2 ** 32);
  expect(names('sampled')).toEqual(share.map(({ traceId }) => traceId).toSorted());
  expect(share.length / 3_000).toBeGreaterThan(0.0135);
  expect(share.length / 3_000).toBeLessThan(0.0465);
});

test('a call that waits in line, and one that is refused, say so', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  let release = (): void => {};
  worker.script = (request, response) => {
    release = () => answers.completion()(request, response);
  };
  await using gateway = await startTestGateway([], {
    ...traced(collector, { sample_ratio: 0, slow_ms: 0 }),
    workers: [{ url: worker.url, max_num_seqs: 1 }],
    admission: { headroom: 0, max_queue: 1 },
    ...ALONE,
  });
  await gateway.gateway.firstReady;
  const first = ask(gateway.url, chat());
  await until(() => worker.requests.length === 1, 'the first at its worker');
  const second = ask(gateway.url, chat());
  await until(() => gateway.gateway.figures.queueDepth('interactive') === 1, 'the second in line');
  const third = await ask(gateway.url, chat());
  expect([429, 503]).toContain(third.status);
  await third.text();
  worker.script = answers.completion();
  release();
  for (const answer of [await first, await second]) await answer.text();
  const spans = await spansOf(gateway, collector);
  const queue = named(spans, 'queue');
  const admission = spans.find(({ spanId }) => spanId === queue.parentSpanId)!;
  expect(admission.name).toBe('admission');
  expectWithin(spans);
  const waited = spans.find(({ spanId }) => spanId === admission.parentSpanId)!;
  expect(queue.toMs - queue.fromMs).toBeCloseTo(waited.attributes['headgate.queue_ms'] as number, 1);
  const refused = spans.find(({ attributes }) => attributes['headgate.outcome'] === 'refused')!;
  expect(refused).toMatchObject({
    status: 2,
    attributes: { 'headgate.kept': 'error', 'headgate.reason': 'queue_full', 'headgate.attempts': 0 },
  });
  expect(spans.filter(({ attributes }) => attributes['headgate.kept'] === 'slow')).toHaveLength(2);
});

test('what never becomes a call has a span of its own; of keys, prompts and headers nothing is in any', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  worker.script = answers.error(400, { error: { message: 'prompt-that-is-secret is no good', type: 'BadRequestError', code: 400 } });
  const secret = 'hg-key-that-is-secret';
  const headers = { 'x-collector-token': 'token-of-the-collector' };
  await using gateway = await startTestGateway([worker.url], {
    ...traced(collector, { headers }),
    auth: { keys: [{ name: 'ann', key: secret }] },
  });
  await gateway.gateway.firstReady;
  const wrong = await ask(gateway.url, chat(), { headers: { authorization: 'Bearer wrong-key-that-is-secret' } });
  expect(wrong.status).toBe(401);
  await wrong.text();
  const body = chat({ messages: [{ role: 'user', content: 'prompt-that-is-secret' }], user: 'user-that-is-secret' });
  const right = await ask(gateway.url, body, { headers: { authorization: `Bearer ${secret}`, 'x-session-id': 'session-that-is-secret' } });
  expect(right.status).toBe(400);
  await right.text();
  for (const path of ['/admin/config', '/admin/debug/bundle']) {
    const shown = await (await fetch(`${gateway.url}${path}`, { headers: AS_ADMIN })).text();
    expect(shown, path).not.toContain('token-of-the-collector');
  }
  const spans = await spansOf(gateway, collector);
  const refused = spans.find(({ attributes }) => attributes['http.response.status_code'] === 401)!;
  expect(refused).toMatchObject({ kind: 2, status: 0, attributes: { 'headgate.code': 'invalid_api_key', 'headgate.kept': 'error' } });
  expect(endsOf(gateway)[0]).toMatchObject({ status: 401, trace_id: refused.traceId, span_id: refused.spanId });
  const passedOn = spans.find(({ kind, attributes }) => kind === 2 && attributes['http.response.status_code'] === 400)!;
  expect(passedOn.attributes['headgate.key']).toBe('ann');
  const written = collector.requests.map(({ text }) => text).join('\n');
  expect(written).not.toMatch(/that-is-secret|token-of-the-collector/);
  for (const request of collector.requests) expect(request).toMatchObject({ path: '/v1/traces', headers });
});

test('lines of batches are traces of their own, with the name of their batch', { timeout: 60_000 }, async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], traced(collector), undefined, scratchFolder());
  await gateway.gateway.firstReady;
  const id = await submit(gateway.url, [inputLine('one', 'say one'), inputLine('two', 'say two')]);
  await ended(gateway, id);
  const spans = await spansOf(gateway, collector);
  const lines = spans.filter(({ name }) => name === 'batch line');
  expect(new Set(lines.map(({ traceId }) => traceId)).size).toBe(2);
  for (const line of lines) {
    expect(line).toMatchObject({ kind: 5, parentSpanId: '', attributes: { 'headgate.batch.id': id, 'headgate.priority': 'batch' } });
    const attempt = spans.find(({ name, parentSpanId }) => name === 'chat m' && parentSpanId === line.spanId)!;
    expect(worker.requests.map(({ headers }) => headers['traceparent'])).toContain(`00-${line.traceId}-${attempt.spanId}-01`);
  }
  expectWithin(spans);
});

test('the root of a call that another model answered says which, and why', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm(['small']);
  await using gateway = await startTestGateway([], {
    ...traced(collector),
    workers: [
      { url: worker.url, models: ['small'] },
      { url: 'http://127.0.0.1:9', models: ['qwen-a'] },
    ],
    models: [{ id: 'chat', pool: ['qwen-a'], fallback: ['small'] }],
  });
  await until(() => gateway.gateway.status().workers.some(({ state }) => state === 'ready'), 'the fallback is ready');
  const answer = await ask(gateway.url, chat({ model: 'chat' }));
  expect(answer.headers.get('x-headgate-fallback')).toBe('small');
  await answer.text();
  await until(() => endsOf(gateway).length === 1, 'its end');
  const root = named(await spansOf(gateway, collector), 'POST /v1/chat/completions');
  expect(root.attributes).toMatchObject({
    'gen_ai.request.model': 'chat',
    'headgate.fallback.model': 'small',
    'headgate.fallback.reason': 'no_worker',
  });
});
