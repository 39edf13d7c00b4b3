import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { llamaError, llamaShapes, LOADING } from '../support/engines/llama-cpp.ts';
import { openaiError, openaiShapes } from '../support/engines/openai.ts';
import { sglangError, sglangShapes } from '../support/engines/sglang.ts';
import { startStub, type Stub, type StubAnswer, type StubShapes } from '../support/engines/stub.ts';
import { trtError, trtShapes } from '../support/engines/tensorrt-llm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, contentOf, dataOf, errorAtEnd, errorOf } from './asking.ts';
import { endOf, settled, statsOf } from './settled.ts';

interface Kind {
  readonly name: string;
  readonly shapes: () => StubShapes;
  /** What of the url comes after the root. */
  readonly base?: string;
  readonly view: { engine: string; engine_version: string | null };
  readonly load: { running: number; waiting: number; kv: number } | null;
  readonly cached: number;
  readonly tooLong: StubAnswer;
  readonly busy: StubAnswer;
  readonly failure: StubAnswer;
  readonly lacks: string;
}

const KINDS: Kind[] = [
  {
    name: 'SGLang',
    shapes: () => sglangShapes(),
    view: { engine: 'sglang', engine_version: '0.5.23' },
    load: { running: 3, waiting: 2, kv: 0.25 },
    cached: 0,
    tooLong: sglangError("The input (9000 tokens) is longer than the model's context length (4096 tokens).", 400),
    busy: sglangError('The request queue is full.', 503, '503'),
    failure: sglangError('Internal server error: boom', 500, 'InternalServerError'),
    lacks: '/pooling',
  },
  {
    name: 'SGLang without --enable-metrics',
    shapes: () => sglangShapes({ metrics: false }),
    view: { engine: 'sglang', engine_version: '0.5.23' },
    load: { running: 4, waiting: 1, kv: 0.14 },
    cached: 0,
    tooLong: sglangError("Requested token count exceeds the model's maximum context length of 4096 tokens.", 400),
    busy: sglangError('The request queue is full.', 503, '503'),
    failure: sglangError('Internal server error: boom', 500, 'InternalServerError'),
    lacks: '/v2/embed',
  },
  {
    name: 'TensorRT-LLM',
    shapes: trtShapes,
    view: { engine: 'tensorrt-llm', engine_version: '1.2.0' },
    load: { running: 4, waiting: 1, kv: 0.3 },
    cached: 3,
    tooLong: trtError('The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens (69632)'),
    busy: trtError('Too many requests', 429),
    failure: trtError('CUDA error: an illegal memory access was encountered'),
    lacks: '/v1/embeddings',
  },
  {
    name: 'llama.cpp',
    shapes: () => llamaShapes(),
    view: { engine: 'llama-cpp', engine_version: 'b9999-0c1e570' },
    load: { running: 2, waiting: 1, kv: 0 },
    cached: 2,
    tooLong: llamaError(
      'request (600 tokens) exceeds the available context size (512 tokens), try increasing it',
      400,
      'exceed_context_size_error',
    ),
    busy: LOADING,
    failure: llamaError('Compute error.', 500, 'server_error'),
    lacks: '/tokenize',
  },
  {
    name: 'a service',
    shapes: () => openaiShapes({ api: '/api/paas/v4' }),
    base: '/api/paas/v4',
    view: { engine: 'openai', engine_version: null },
    load: null,
    cached: 4,
    tooLong: openaiError("This model's maximum context length is 128000 tokens.", 400, 'context_length_exceeded'),
    busy: openaiError('Rate limit reached', 429, 'rate_limit_exceeded', 'requests'),
    failure: openaiError('The server had an error', 500, null, 'server_error'),
    lacks: '/v1/rerank',
  },
  {
    name: 'a service whose JSON has blanks',
    shapes: () => openaiShapes({ spaced: true }),
    base: '/v1',
    view: { engine: 'openai', engine_version: null },
    load: null,
    cached: 4,
    tooLong: openaiError('The input exceeds the context window of this model.', 400, null),
    busy: openaiError('Rate limit reached', 429, 'rate_limit_exceeded', 'requests'),
    failure: openaiError('The server had an error', 500, null, 'server_error'),
    lacks: '/classify',
  },
];

describe.each(KINDS)('a gateway in front of $name', (kind) => {
  let stub: Stub;
  let gateway: TestGateway;

  beforeAll(async () => {
    stub = await startStub(kind.shapes());
    const engine = kind.base === '/api/paas/v4' ? { engine: 'openai' as const } : {};
    gateway = await startTestGateway([], {
      workers: [{ url: stub.url + (kind.base ?? ''), api_key: 'sk-its-own', ...engine }],
      circuit_breaker: { failures: 10_000, failure_rate: 1, min_requests: 100_000 },
    });
    await gateway.gateway.firstReady;
  });

  afterAll(async () => {
    await gateway.stop();
    await stub.die();
  });

  afterEach(async () => {
    stub.forced = null;
    await settled(gateway);
  });

  test('knows which engine it is, and asks for no key but its own', async () => {
    const { workers } = gateway.gateway.status();
    expect(workers).toMatchObject([{ model: 'm', state: 'ready', last_failure: null, ...kind.view }]);
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain(
      `headgate_worker_info{worker="${workers[0]!.id}",engine="${kind.view.engine}",version="${kind.view.engine_version ?? ''}"} 1`,
    );
  });

  test('reads its load, where it tells any', async () => {
    const read = () => gateway.gateway.status().workers[0]!;
    if (kind.load === null) return expect(stub.gets.filter((path) => path.includes('metrics'))).toEqual([]);
    await until(() => read().requests_running > 0, 'the load read');
    const { requests_running: running, requests_waiting: waiting, kv_cache_usage_ratio: kv } = read();
    expect({ running, waiting, kv }).toEqual(kind.load);
  });

  test('relays a chat, and counts what it cost', async () => {
    const response = await ask(gateway.url, chat({ priority: -3 }), { headers: { authorization: 'Bearer clients-own' } });
    expect(response.status).toBe(200);
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    expect(choices[0]!.message.content).toBe('Hello');
    expect(await endOf(gateway, response.headers.get('x-request-id')!)).toMatchObject({
      input_tokens: 7,
      output_tokens: 2,
      finish_reason: 'stop',
    });
    const { headers, body } = stub.posts.at(-1)!;
    expect(headers.authorization).toBe('Bearer sk-its-own');
    // What would mean something else there, or be refused.
    expect(JSON.parse(body)).not.toHaveProperty('priority');
  });

  test('relays a stream as it is, without the usage that its client has not asked for, and counts it', async () => {
    const direct = await (
      await fetch(`${stub.url}${kind.base ?? '/v1'}/chat/completions`, { method: 'POST', body: JSON.stringify(chat({ stream: true })) })
    ).text();
    const response = await ask(gateway.url, chat({ stream: true }));
    const text = await response.text();
    const plain = (stream: string) => stream.replaceAll(',"usage":null', '').replaceAll(', "usage": null', '');
    expect(plain(text)).toBe(plain(direct));
    expect(dataOf(text).at(-1)).toBe('[DONE]');
    expect(await endOf(gateway, response.headers.get('x-request-id')!)).toMatchObject({
      ...{ input_tokens: 7, output_tokens: 2, finish_reason: 'stop', outcome: 'complete' },
    });
  });

  test('relays the usage to a client that asks for it', async () => {
    const text = await (await ask(gateway.url, chat({ stream: true, stream_options: { include_usage: true } }))).text();
    expect(contentOf(text.replaceAll('": ', '":').replaceAll(', "', ',"').replaceAll('{"choices":[{', '{"id":0,"choices":[{'))).toBe(
      'Hello',
    );
    const usage = dataOf(text).map((data) =>
      data === '[DONE]' ? null : (JSON.parse(data) as { usage?: { prompt_tokens: number } | null }).usage,
    );
    expect(usage.filter((each) => each != null)).toMatchObject([{ prompt_tokens: 7, completion_tokens: 2 }]);
  });

  test('takes a prompt that is too long for the client’s own fault', async () => {
    stub.forced = kind.tooLong;
    const response = await ask(gateway.url, chat());
    expect(response.status).toBe(400);
    expect((await errorOf(response)).code).toBe('context_length_exceeded');
    await settled(gateway);
    expect(Object.values((await statsOf(gateway)).breakers)).toMatchObject([{ state: 'closed', consecutive_failures: 0 }]);
  });

  test('takes a busy worker for neither’s fault, and a failure for its own', async () => {
    stub.forced = kind.busy;
    const busy = await ask(gateway.url, chat());
    expect(busy.status).toBe(503);
    expect(busy.headers.get('retry-after')).not.toBeNull();
    expect(Object.values((await statsOf(gateway)).breakers)).toMatchObject([{ consecutive_failures: 0 }]);
    stub.forced = kind.failure;
    const failed = await ask(gateway.url, chat({ seed: Math.trunc(Number(process.hrtime.bigint() % 1_000_000n)) }));
    expect(failed.status).toBe(502);
    expect((await errorOf(failed)).message).not.toContain('CUDA');
  });

  test('refuses what that engine lacks, and asks it nothing', async () => {
    const before = stub.posts.length;
    const noRoute = await ask(gateway.url, { model: 'm', input: 'x', prompt: 'x', query: 'x', documents: ['x'] }, { path: kind.lacks });
    expect(noRoute.status).toBe(404);
    expect(await errorOf(noRoute)).toMatchObject({ code: 'unknown_url', message: expect.stringContaining(kind.lacks) });
    const noField = await ask(gateway.url, chat({ structured_outputs: { regex: '[a-z]+' } }));
    expect(noField.status).toBe(400);
    expect(await errorOf(noField)).toMatchObject({ code: 'unsupported_parameter', param: 'structured_outputs' });
    expect(stub.posts).toHaveLength(before);
  });

  test('tells a client of a stream that broke off', async () => {
    stub.forced = {
      body: [
        'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n',
      ],
      cut: true,
      gapMs: 20,
    };
    expect(errorAtEnd(await (await ask(gateway.url, chat({ stream: true }))).text()).code).toBe('upstream_disconnected');
  });

  test('frees it when a client leaves', async () => {
    stub.forced = {
      body: Array.from(
        { length: 500 },
        (_, i) =>
          `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${i}"},"finish_reason":null}]}\n\n`,
      ),
      gapMs: 20,
    };
    const before = stub.left;
    const client = new AbortController();
    const response = await ask(gateway.url, chat({ stream: true }), { signal: client.signal });
    await response.body!.getReader().read();
    client.abort();
    await until(() => stub.left === before + 1, 'the worker freed');
  });
});

describe('workers of several kinds', () => {
  test('a call goes to one whose engine has its path', async () => {
    await using sglang = await startStub(sglangShapes());
    await using llama = await startStub(llamaShapes());
    await using gateway = await startTestGateway([sglang.url, llama.url]);
    await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'both ready');
    for (let i = 0; i < 6; i++) {
      const response = await ask(gateway.url, { model: 'm', prompt: `x${i}`, max_tokens: 1 }, { path: '/v1/score' });
      expect(response.status).toBe(200);
    }
    expect([sglang.posts.length, llama.posts.length]).toEqual([6, 0]);
  });

  test('an engine that is set wrong is told of and serves all the same', async () => {
    await using llama = await startStub(llamaShapes());
    await using service = await startStub(openaiShapes());
    await using gateway = await startTestGateway([], {
      workers: [
        { url: llama.url, engine: 'sglang' },
        { url: service.url, engine: 'vllm', models: ['m', 'absent'] },
      ],
    });
    await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'both ready');
    const [first, second] = gateway.gateway.status().workers;
    expect(first).toMatchObject({
      engine: 'sglang',
      last_failure: {
        class: 'wrong_engine',
        message: expect.stringContaining('says that it is llama.cpp'),
        advice: expect.stringContaining('engine: llama-cpp'),
      },
    });
    expect(second).toMatchObject({
      engine: 'openai',
      last_failure: { class: 'wrong_engine', message: expect.stringContaining("is used as OpenAI's API") },
    });
    expect((await ask(gateway.url, chat())).status).toBe(200);
    expect(gateway.log.filter(({ event }) => event === 'worker.failure')).toMatchObject([
      { class: 'wrong_engine' },
      { class: 'wrong_engine' },
    ]);
  });

  test('a gateway that is listed as a worker is told of, unless it is meant', async () => {
    await using llama = await startStub(llamaShapes());
    await using behind = await startTestGateway([llama.url]);
    await behind.gateway.firstReady;
    for (const engine of ['auto', 'openai'] as const) {
      await using front = await startTestGateway([], { workers: [{ url: behind.url, engine }] });
      await front.gateway.firstReady;
      const failure = { class: 'wrong_engine', message: expect.stringContaining('is a Headgate itself') };
      expect(front.gateway.status().workers[0]!.last_failure).toEqual(engine === 'auto' ? expect.objectContaining(failure) : null);
      expect((await ask(front.url, chat())).status).toBe(200);
    }
  });

  test('models that a worker is listed with and does not name are told of', async () => {
    await using service = await startStub(openaiShapes());
    await using gateway = await startTestGateway([], { workers: [{ url: service.url, engine: 'openai', models: ['m', 'absent'] }] });
    await gateway.gateway.firstReady;
    expect(gateway.gateway.status().workers[0]!.last_failure).toMatchObject({
      class: 'wrong_models',
      message: expect.stringContaining('is listed with absent'),
    });
  });

  test('a llama.cpp that loads its model says so until it is there', async () => {
    const shapes = llamaShapes();
    const { pages } = shapes;
    shapes.pages = Object.fromEntries(Object.keys(pages).map((path) => [path, LOADING]));
    await using llama = await startStub(shapes);
    await using gateway = await startTestGateway([], { workers: [{ url: llama.url, engine: 'llama-cpp', models: ['m'] }] });
    const read = () => gateway.gateway.status().workers[0]!;
    await until(() => read().last_failure !== null, 'the first look');
    expect(read()).toMatchObject({ state: 'starting', last_failure: { class: 'loading' } });
    const refused = await ask(gateway.url, chat());
    expect([refused.status, (await errorOf(refused)).message]).toEqual([503, expect.stringContaining('loading its model')]);
    shapes.pages = pages;
    await until(() => read().state === 'ready', 'its model loaded');
    expect((await ask(gateway.url, chat())).status).toBe(200);
  });

  test('of two services that tell no load the one that answers faster gets more', async () => {
    const slow = openaiShapes();
    await using fast = await startStub(openaiShapes());
    await using late = await startStub({
      ...slow,
      calls: { '/v1/chat/completions': (request) => ({ ...slow.calls['/v1/chat/completions']!(request), afterMs: 1_000 }) },
    });
    await using gateway = await startTestGateway([], {
      workers: [
        { url: fast.url, engine: 'openai' },
        { url: late.url, engine: 'openai' },
      ],
      load_balancer: { slow_start_ms: 0 },
    });
    await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'both ready');
    for (let i = 0; i < 30; i++) await (await ask(gateway.url, chat({ stream: true, seed: i }))).text();
    expect(late.posts.length).toBeGreaterThan(0);
    expect(fast.posts.length).toBeGreaterThan(3 * late.posts.length);
  });
});
