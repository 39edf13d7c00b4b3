import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, event, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorOf, type AskOptions } from './asking.ts';
import { endsOf, settled } from './settled.ts';

// What was answered once is given again, to whom it may be given, as long as the engine that made it lives.

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

type CacheSettings = NonNullable<SettingsInput['cache']>;

async function start(cache: CacheSettings = {}, more: SettingsInput = {}): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], { cache: { enabled: true, ...cache }, pressure: { scrape_interval_ms: 100 }, ...more });
  const { url } = gateway;
  await gateway.gateway.firstReady;
  // Until then nobody knows which engine it is.
  await until(async () => JSON.stringify(await (await fetch(`${url}/stats`)).json()).includes('scrape_age_ms'), 'its metrics were read');
  return gateway;
}

const same = (more: object = {}): object => chat({ temperature: 0, ...more });

/** Asks, and says where the answer came from. */
async function from(to: TestGateway, body: object, options: AskOptions = {}): Promise<string | null> {
  const response = await ask(to.url, body, options);
  await response.text();
  return response.headers.get('x-headgate-cache');
}

describe('an answer', () => {
  test('is given again as it was, with its age, and no worker is touched', async () => {
    const to = await start();
    const first = await ask(to.url, same());
    expect(first.headers.get('x-headgate-cache')).toBe('miss');
    const text = await first.text();
    const again = await ask(to.url, { temperature: 0, messages: [{ content: 'hi', role: 'user' }], model: 'm', user: 'ada' });
    expect(again.headers.get('x-headgate-cache')).toBe('hit');
    expect(again.headers.get('age')).toMatch(/^\d$/);
    expect(again.headers.get('content-type')).toBe('application/json');
    expect(again.headers.get('x-headgate-worker')).toBeNull();
    expect(await again.text()).toBe(text);
    expect(worker.requests).toHaveLength(1);
    await settled(to);
    expect(endsOf(to).map((line) => line['cache'])).toEqual(['miss', 'hit']);
    const stats = (await (await fetch(`${to.url}/stats`)).json()) as { cache: object };
    expect(stats.cache).toEqual({ size: 1, maxsize: 1_000, hits: 1, misses: 1, hit_rate: 0.5 });
    const page = await (await fetch(`${to.url}/metrics`)).text();
    expect(page).toContain('headgate_cache_requests_total{result="hit"} 1');
    expect(page).toContain('headgate_cache_entries 1');
  });

  test('that came as a stream is given again as a stream, and is none for who wants it whole', async () => {
    const to = await start();
    worker.script = answers.stream(['a', 'b', 'c']);
    const body = same({ stream: true });
    const text = await (await ask(to.url, body)).text();
    await settled(to);
    const again = await ask(to.url, body);
    expect(again.headers.get('x-headgate-cache')).toBe('hit');
    expect(again.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(await again.text()).toBe(text);
    worker.script = answers.completion();
    expect(await from(to, same())).toBe('miss');
    // The usage is an event of its own, which one of them did not want.
    worker.script = answers.stream(['a']);
    expect(await from(to, same({ stream: true, stream_options: { include_usage: true } }))).toBe('miss');
  });

  test.each<[string, object]>([
    ['chance', { temperature: 0.7 }],
    ['no word of chance', { temperature: null }],
    ['a name of its own', { request_id: 'r1' }],
  ])('is not kept where there is %s', async (_, more) => {
    const to = await start();
    expect([await from(to, same(more)), await from(to, same(more))]).toEqual(['bypass', 'bypass']);
    expect(worker.requests).toHaveLength(2);
  });

  test('of embeddings, scores and ranks is kept', async () => {
    const to = await start();
    worker.script = (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"object":"list","data":[]}');
    for (const path of ['/v1/embeddings', '/v1/score', '/v1/rerank']) {
      const body = { model: 'm', input: path, query: 'a', documents: ['b'] };
      expect([await from(to, body, { path }), await from(to, body, { path })]).toEqual(['miss', 'hit']);
    }
    expect(worker.requests).toHaveLength(3);
  });

  test('that failed, broke off or was left is not kept', async () => {
    const to = await start();
    worker.script = answers.error(400, { error: { message: 'no' } });
    await from(to, same());
    worker.script = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event('a'));
      setTimeout(() => response.destroy(), 20);
    };
    await from(to, same({ stream: true }));
    worker.script = answers.stream(['a', 'b', 'c', 'd'], 50);
    const leaving = new AbortController();
    const left = await ask(to.url, same({ stream: true }), { signal: leaving.signal });
    leaving.abort();
    await left.text().catch(() => undefined);
    await settled(to);
    worker.script = answers.completion();
    expect(await from(to, same())).toBe('miss');
    worker.script = answers.stream(['a']);
    expect(await from(to, same({ stream: true }))).toBe('miss');
  });

  test('that is too large is not kept, and neither are more than there may be', async () => {
    const to = await start({ max_entries: 2, max_entry_bytes: 2_000 });
    worker.script = answers.completion('x'.repeat(3_000));
    expect([await from(to, same()), await from(to, same())]).toEqual(['miss', 'miss']);
    worker.script = answers.completion();
    for (const seed of [1, 2, 3]) await from(to, same({ seed }));
    expect([await from(to, same({ seed: 3 })), await from(to, same({ seed: 1 }))]).toEqual(['hit', 'miss']);
    const page = await (await fetch(`${to.url}/metrics`)).text();
    expect(page).toContain('headgate_cache_evictions_total{reason="full"} 2');
  });
});

describe('whom it is given to', () => {
  const keys = ['a', 'b'].map((name) => ({ name, key: `hg-key-of-app-${name}-000` }));
  const as = (name: string, more: object = {}): AskOptions => ({ headers: { authorization: `Bearer hg-key-of-app-${name}-000`, ...more } });

  test('is the key that asked, and nobody else', async () => {
    const to = await start({}, { auth: { keys } });
    expect([await from(to, same(), as('a')), await from(to, same(), as('b')), await from(to, same(), as('a'))]).toEqual([
      'miss',
      'miss',
      'hit',
    ]);
  });

  test('is everybody where that is set; whom the model is hidden from gets nothing', async () => {
    const [a, b] = keys;
    const to = await start({ scope: 'all' }, { auth: { keys: [a!, b!, { name: 'c', key: 'hg-key-of-app-c-000', models: ['other'] }] } });
    expect([await from(to, same(), as('a')), await from(to, same(), as('b'))]).toEqual(['miss', 'hit']);
    expect((await ask(to.url, same(), as('c'))).status).toBe(404);
  });
});

describe('what a client says of it', () => {
  const say = (directives: string): AskOptions => ({ headers: { 'cache-control': directives } });

  test('no-store: neither taken nor kept · no-cache: made anew, and kept · max-age: none that is older', async () => {
    const to = await start();
    expect(await from(to, same(), say('no-store'))).toBe('bypass');
    expect(await from(to, same())).toBe('miss');
    expect(await from(to, same(), say('max-age=60'))).toBe('hit');
    for (const none of ['max-age=0', 'max-age=-1', 'max-age=soon']) expect(await from(to, same(), say(none))).toBe('miss');
    expect(await from(to, same(), say('private, no-cache'))).toBe('miss');
    expect(await from(to, same(), say('max-age=60, unknown=1'))).toBe('hit');
    expect(worker.requests).toHaveLength(6);
  });

  test('only-if-cached: 504 where there is none', async () => {
    const to = await start();
    const refused = await ask(to.url, same(), say('only-if-cached'));
    expect(refused.status).toBe(504);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect((await errorOf(refused)).code).toBe('not_cached');
    await from(to, same());
    expect(await from(to, same(), say('only-if-cached'))).toBe('hit');
    expect(worker.requests).toHaveLength(1);
  });
});

test('prompts that differ in what may differ are given one answer, and are sent as they are', async () => {
  const to = await start({ normalize: ['timestamps', 'uuids', 'numbers_in_ids', 'paths', 'ip_addresses', 'whitespace'] });
  const at = (time: string, id: string) =>
    same({ messages: [{ role: 'user', content: `It is ${time}. Job ${id} failed in /tmp/${id}/x.log on 10.0.0.1` }] });
  const one = at('2026-11-29T14:55:10Z', 'job-1');
  expect(await from(to, one)).toBe('miss');
  expect(await from(to, at('2026-11-30 09:01:00', 'job-17'))).toBe('hit');
  expect(await from(to, same({ messages: [{ role: 'user', content: 'It is late. Job job-1 failed' }] }))).toBe('miss');
  expect((JSON.parse(worker.requests[0]!.body) as { messages: unknown }).messages).toEqual((one as { messages: unknown }).messages);
});

test('nothing is given that another life of the engine made', async () => {
  const to = await start();
  expect(await from(to, same())).toBe('miss');
  worker.process = 2_000;
  worker.script = answers.completion('other weights');
  // Behind a proxy, say, where nobody sees the one go and the other come.
  await until(async () => (await from(to, same(), { headers: { 'cache-control': 'only-if-cached' } })) !== 'hit', 'the old answer is gone');
  const answer = await ask(to.url, same());
  expect(answer.headers.get('x-headgate-cache')).toBe('miss');
  expect(await answer.text()).toContain('other weights');
});

test('a reload that changes the cache forgets what was kept; one that does not keeps it', async () => {
  const to = await start();
  await from(to, same());
  to.settings = { cache: { enabled: true }, log: { level: 'warn' } };
  expect(to.gateway.reload().ok).toBe(true);
  expect(await from(to, same())).toBe('hit');
  to.settings = { cache: { enabled: true, ttl_ms: 5_000 } };
  expect(to.gateway.reload().ok).toBe(true);
  expect(await from(to, same())).toBe('miss');
  to.settings = { cache: { enabled: false } };
  expect(to.gateway.reload().ok).toBe(true);
  expect(await from(to, same())).toBeNull();
});

test('nothing is kept of an engine that does not say when it was started: it might be another tomorrow', async () => {
  worker.process = null;
  const to = await start();
  expect([await from(to, same()), await from(to, same())]).toEqual(['miss', 'miss']);
});

test('what a response repeats of its request is its asker’s own', async () => {
  const to = await start({ scope: 'all' });
  const ask2 = (who: string) =>
    from(to, { model: 'm', input: 'a', temperature: 0, store: false, metadata: { who } }, { path: '/v1/responses' });
  expect([await ask2('alice'), await ask2('bob'), await ask2('alice')]).toEqual(['miss', 'miss', 'hit']);
});

test('what is no prompt is never taken for another', async () => {
  const to = await start({ normalize: ['whitespace', 'numbers_in_ids', 'timestamps'] });
  const pairs: [object, object][] = [
    [{ stop: ['\n'] }, { stop: ['\n\n'] }],
    [{ stop: ['step-1'] }, { stop: ['step-2'] }],
    [{ cache_salt: 'tenant-1' }, { cache_salt: 'tenant-2' }],
  ];
  for (const [one, other] of pairs) expect([await from(to, same(one)), await from(to, same(other))]).toEqual(['miss', 'miss']);
});
