import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ServerResponse } from 'node:http';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, event, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { ask, chat, contentOf, errorAtEnd, flow } from './asking.ts';
import { endsOf, settled } from './settled.ts';

// Calls that ask the same at the same time and leave nothing to chance are one call at the worker.

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

/** Every answer of the worker, to be written by the test. */
function held(): ServerResponse[] {
  const responses: ServerResponse[] = [];
  worker.script = (_, response) => void responses.push(response);
  return responses;
}

function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
}

function endStream(response: ServerResponse): void {
  response.end(`${event('', 'stop')}data: [DONE]\n\n`);
}

const same = (more: object = {}): object => chat({ temperature: 0, ...more });

test('five that ask the same get one answer, however they write it', async () => {
  const to = await start();
  const at = held();
  const bodies = [
    JSON.stringify(same()),
    JSON.stringify({ temperature: 0, user: 'ada', messages: [{ content: 'hi', role: 'user' }], model: 'm' }),
    JSON.stringify(same({ metadata: { trace: '1' } }), null, 2),
    '{"model":"m","messages":[{"role":"user","content":"\\u0068i"}],"temperature":0.0}',
    JSON.stringify(same({ user: null, seed: null })),
  ];
  const asked = bodies.map((body) => ask(to.url, body));
  await until(() => to.gateway.figures.inFlight() === 5, 'all five are there');
  await until(() => at.length === 1, 'the worker has it');
  answers.completion('once')({ path: '', headers: {}, body: '' }, at[0]!);
  const got = await Promise.all(asked);
  expect(await Promise.all(got.map((response) => response.text()))).toEqual(Array(5).fill(expect.stringContaining('once')));
  expect(got.map(({ headers }) => headers.get('x-headgate-cache')).toSorted()).toEqual(['joined', 'joined', 'joined', 'joined', null]);
  expect(new Set(got.map(({ headers }) => headers.get('x-request-id'))).size).toBe(5);
  expect(worker.requests).toHaveLength(1);
  await settled(to);
  // What it took is counted once.
  expect(endsOf(to).filter((line) => line['output_tokens'] === 2)).toHaveLength(1);
  const page = await (await fetch(`${to.url}/metrics`)).text();
  expect(page).toContain('headgate_joined_requests_total 4');
  expect(page).toMatch(/headgate_output_tokens_total\{[^}]*\} 2\n/);
});

test.each<[string, object, object]>([
  ['another prompt of the same length', {}, { messages: [{ role: 'user', content: 'ho' }] }],
  ['another limit', { max_tokens: 5 }, { max_tokens: 6 }],
  ['a stream and no stream', {}, { stream: true }],
  ['chance', { temperature: 1 }, { temperature: 1 }],
  ['no word of chance', { temperature: null }, { temperature: null }],
  ['numbers that JavaScript takes for equal', { seed: 9007199254740993n }, { seed: 9007199254740992n }],
  ['a picture that has to be fetched', picture('https://example.com/1.png'), picture('https://example.com/1.png')],
  ['another seed', { temperature: 1, seed: 1 }, { temperature: 1, seed: 2 }],
])('two answers for %s', async (_, one, other) => {
  const to = await start();
  const at = held();
  const asked = [ask(to.url, written(one)), ask(to.url, written(other))];
  await until(() => at.length === 2, 'both are at the worker');
  for (const response of at) answers.completion()({ path: '', headers: {}, body: '' }, response);
  await Promise.all(asked.map(async (each) => (await each).text()));
});

function picture(url: string): object {
  return { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] };
}

function written(more: object): string {
  return JSON.stringify(same(more), (_, value: unknown) => (typeof value === 'bigint' ? `#${value}#` : value)).replaceAll(
    /"#(\d+)#"/g,
    '$1',
  );
}

test('five read one stream, each from its beginning; one leaves, one stops reading, and the others get all of it', async () => {
  const to = await start();
  const at = held();
  const body = same({ stream: true });
  const first = ask(to.url, body);
  await until(() => at.length === 1, 'the first is at the worker');
  beginStream(at[0]!);
  at[0]!.write(event('a'));
  const leaving = new AbortController();
  const readers = [flow(await first), flow(await ask(to.url, body)), flow(await ask(to.url, body, { signal: leaving.signal }))];
  await until(() => readers.every((each) => contentOf(each.text()) === 'a'), 'late ones have what had come');
  // One that asks and never reads.
  using idle = await connectRaw(to.port);
  idle.socket.pause();
  const text = JSON.stringify(body);
  idle.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  await until(() => to.gateway.figures.inFlight() === 4, 'it is there');
  leaving.abort();
  await until(() => to.gateway.figures.inFlight() === 3, 'one has gone');
  const long = 'x'.repeat(60_000);
  for (let i = 0; i < 100; i++) {
    if (!at[0]!.write(event(long))) await new Promise((resolve) => at[0]!.once('drain', resolve));
  }
  endStream(at[0]!);
  for (const each of readers.slice(0, 2)) {
    expect(await each.over).toBe('ended');
    expect(contentOf(each.text())).toBe(`a${long.repeat(100)}`);
    expect(each.text().endsWith('data: [DONE]\n\n')).toBe(true);
  }
  expect(await readers[2]!.over).toBe('cut');
  expect(worker.requests).toHaveLength(1);
  await settled(to);
  // The one that did not read was let go, for it was too far behind.
  expect(
    endsOf(to)
      .map((line) => line['outcome'])
      .toSorted(),
  ).toEqual(['complete', 'complete', 'disconnected', 'disconnected']);
});

test('when the first leaves, the others go on, and what it takes is theirs; when the last has gone, the worker is told', async () => {
  const to = await start();
  const at = held();
  const body = same({ stream: true });
  const [one, two] = [new AbortController(), new AbortController()];
  const first = ask(to.url, body, { signal: one.signal, headers: { 'x-request-id': 'first' } });
  await until(() => at.length === 1, 'the first is at the worker');
  const second = ask(to.url, body, { signal: two.signal, headers: { 'x-request-id': 'second' } });
  await until(() => to.gateway.figures.inFlight() === 2, 'the second has come');
  one.abort();
  await expect(first).rejects.toThrow();
  beginStream(at[0]!);
  at[0]!.write(event('a'));
  const reader = flow(await second);
  await until(() => contentOf(reader.text()) === 'a', 'it goes on');
  expect(worker.requests[0]!.closed).toBe(false);
  two.abort();
  await until(() => worker.requests[0]!.closed, 'the worker is told');
  await settled(to);
  expect(endsOf(to, 'second')[0]).toMatchObject({ outcome: 'disconnected', attempts: 1 });
});

test('a failure is each one’s own: who had joined asks by himself', async () => {
  const to = await start({ retry: { max_attempts: 1 } });
  const at = held();
  const asked = [ask(to.url, same()), ask(to.url, same()), ask(to.url, same())];
  await until(() => to.gateway.figures.inFlight() === 3, 'all are there');
  await until(() => at.length === 1, 'the worker has it');
  worker.script = answers.completion('well');
  answers.error(500, { error: { message: 'no' } })({ path: '', headers: {}, body: '' }, at[0]!);
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([200, 200, 502]);
  expect(worker.requests).toHaveLength(3);
  await settled(to);
});

test('a stream that breaks off is told to all who read it', async () => {
  const to = await start();
  const at = held();
  const body = same({ stream: true });
  const asked = [ask(to.url, body), ask(to.url, body)];
  await until(() => to.gateway.figures.inFlight() === 2, 'both are there');
  await until(() => at.length === 1, 'the worker has it');
  beginStream(at[0]!);
  at[0]!.write(event('a'));
  const readers = (await Promise.all(asked)).map(flow);
  at[0]!.socket!.destroy();
  for (const each of readers) {
    expect(await each.over).toBe('ended');
    expect(errorAtEnd(each.text()).code).toBe('upstream_disconnected');
  }
  await settled(to);
});

test('one whose time is over is told so, and the other reads on', async () => {
  const to = await start({ timeouts: { stream_total_ms: 5_000, stream_max_ms: 5_000 } });
  const at = held();
  const body = same({ stream: true });
  const first = ask(to.url, body);
  await until(() => at.length === 1, 'the first is at the worker');
  beginStream(at[0]!);
  at[0]!.write(event('a'));
  const one = flow(await first);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const other = flow(await ask(to.url, body));
  expect(await one.over).toBe('ended');
  expect(errorAtEnd(one.text()).code).toBe('timeout');
  endStream(at[0]!);
  expect(await other.over).toBe('ended');
  expect(other.text().endsWith('data: [DONE]\n\n')).toBe(true);
  await settled(to);
});

test('one that joined has as long as the worker gets on, as if it were its own', async () => {
  const to = await start({ timeouts: { stream_total_ms: 2_000, idle_ms: 20_000 } });
  const at = held();
  const body = same({ stream: true });
  const first = ask(to.url, body);
  await until(() => at.length === 1, 'the first is at the worker');
  beginStream(at[0]!);
  at[0]!.write(event('a'));
  const readers = [flow(await first), flow(await ask(to.url, body))];
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    at[0]!.write(event('b'));
  }
  endStream(at[0]!);
  for (const each of readers) {
    expect(await each.over).toBe('ended');
    expect(contentOf(each.text())).toBe('abbbbbbbb');
  }
  await settled(to);
});

test('nobody joins another key, nor anybody who wants an answer of its own', async () => {
  const keys = ['a', 'b'].map((name) => ({ name, key: `hg-key-of-app-${name}-000` }));
  const to = await start({ auth: { keys } });
  const at = held();
  const as = (name: string, more: object = {}) => ({ headers: { authorization: `Bearer hg-key-of-app-${name}-000`, ...more } });
  const asked = [
    ask(to.url, same(), as('a')),
    ask(to.url, same(), as('b')),
    ask(to.url, same(), as('a', { 'cache-control': 'no-store' })),
    ask(to.url, same(), as('a', { 'cache-control': 'max-age=0, no-cache' })),
  ];
  await until(() => at.length === 4, 'each is at the worker');
  asked.push(ask(to.url, same(), as('b')));
  await until(() => to.gateway.figures.inFlight() === 5, 'the last has come');
  for (const response of at) answers.completion()({ path: '', headers: {}, body: '' }, response);
  await Promise.all(asked.map(async (each) => (await each).text()));
  expect(worker.requests).toHaveLength(4);
});

test('an answer that is too large to be kept for others is made for each', async () => {
  const to = await start();
  const at = held();
  const asked = [ask(to.url, same()), ask(to.url, same()), ask(to.url, same(), { headers: { 'idempotency-key': 'k' } })];
  await until(() => to.gateway.figures.inFlight() === 3 && at.length === 1, 'one is at the worker');
  const long = 'x'.repeat(3_000_000);
  worker.script = answers.completion(long);
  answers.completion(long)({ path: '', headers: {}, body: '' }, at[0]!);
  for (const each of asked) expect(await (await each).text()).toContain(long);
  expect(worker.requests).toHaveLength(3);
  await settled(to);
});

test('five in one window are one at the worker', async () => {
  const to = await start({ batch_window: { window_ms: 200 } });
  const asked = Array.from({ length: 5 }, () => ask(to.url, same()));
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(5).fill(200));
  expect(worker.requests).toHaveLength(1);
  await settled(to);
});

test('an interactive call does not wait behind one that has time', async () => {
  const to = await start();
  const at = held();
  const later = ask(to.url, same(), { headers: { 'x-headgate-priority': 'batch' } });
  await until(() => at.length === 1, 'the one that has time is at the worker');
  const now = ask(to.url, same());
  await until(() => at.length === 2, 'the other is there as well');
  for (const response of at) answers.completion()({ path: '', headers: {}, body: '' }, response);
  await Promise.all([later, now]);
});

test('switched off, each call is its own', async () => {
  const to = await start({ single_flight: { enabled: false } });
  const at = held();
  const asked = [ask(to.url, same()), ask(to.url, same())];
  await until(() => at.length === 2, 'both are at the worker');
  for (const response of at) answers.completion()({ path: '', headers: {}, body: '' }, response);
  await Promise.all(asked);
});
