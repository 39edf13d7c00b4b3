import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat, flow } from './asking.ts';
import { endOf } from './settled.ts';

// Tokens of a stream are counted whether or not its client asks for the usage, and the client gets byte for byte what it would have got.

const HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m"';
const SIGNED = ',"system_fingerprint":"vllm-0.32.0-db1d1d6a"';
const word = (index: number, content: string): string =>
  `data: {${HEAD},"choices":[{"index":${index},"delta":{"content":"${content}"},"logprobs":null,"finish_reason":null}]}\n\n`;
const finish = (index: number, signature: string): string =>
  `data: {${HEAD},"choices":[{"index":${index},"delta":{"content":"."},"logprobs":null,"finish_reason":"stop","stop_reason":null}]${signature}}\n\n`;
const USAGE = `data: {${HEAD},"choices":[],"usage":{"prompt_tokens":14,"total_tokens":20,"completion_tokens":6}${SIGNED}}\n\n`;

/** As vLLM 0.32 answers: with the usage where the request asks for it, and then its signature there. */
function vllm(n: number, cut = false): Script {
  return ({ body }, response) => {
    const asked = (JSON.parse(body) as { stream_options?: { include_usage?: boolean } }).stream_options?.include_usage === true;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (let index = 0; index < n; index++) response.write(word(index, 'Hello'));
    for (let index = 0; index < n; index++) response.write(finish(index, asked ? '' : SIGNED));
    if (cut) response.write('\n', () => response.socket!.end());
    else response.end((asked ? USAGE : '') + 'data: [DONE]\n\n');
  };
}

/** What a client of vLLM itself gets. */
const direct = (n: number, isAsked: boolean): string =>
  [
    ...Array.from({ length: n }, (_, index) => word(index, 'Hello')),
    ...Array.from({ length: n }, (_, index) => finish(index, isAsked ? '' : SIGNED)),
    ...(isAsked ? [USAGE] : []),
    'data: [DONE]\n\n',
  ].join('');

let worker: FakeVllm;
let gateway: TestGateway;

beforeAll(async () => {
  worker = await startFakeVllm();
  gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
});

afterAll(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

async function stream(id: string, extra: object): Promise<string> {
  const response = await ask(gateway.url, chat({ stream: true, ...extra }), { headers: { 'x-request-id': id } });
  return response.text();
}

test.each([
  ['first', 1],
  ['later', 1],
  ['two-choices', 2],
])('a client that does not ask gets what it would have got, and its tokens are counted (%s)', async (id, n) => {
  worker.script = vllm(n);
  expect(await stream(id, { n })).toBe(direct(n, false));
  expect(await endOf(gateway, id)).toMatchObject({ input_tokens: 14, output_tokens: 6, outcome: 'complete' });
  const sent = worker.requests.at(-1)!.body;
  expect(sent).toBe(JSON.stringify(chat({ stream: true, n })).replace(/\}$/, ',"stream_options":{"include_usage":true}}'));
});

test.each<[{ include_usage?: boolean; continuous_usage_stats?: boolean } | null]>([
  [{ include_usage: false }],
  [{ include_usage: false, continuous_usage_stats: true }],
  [{}],
  [null],
])('a client that wants no usage gets none, and its tokens are counted: %j', async (stream_options) => {
  worker.script = vllm(1);
  const id = `unwanted-${JSON.stringify(stream_options).replaceAll(/\W/g, '')}`;
  expect(await stream(id, { stream_options })).toBe(direct(1, false));
  expect(await endOf(gateway, id)).toMatchObject({ input_tokens: 14, output_tokens: 6 });
});

test.each([
  [{ include_usage: true }],
  [{ include_usage: false, continuous_usage_stats: 'perhaps' }],
  [{ include_usage: 'no' }],
  ['usage'],
  [7],
])('what a client asks for itself, or what is wrong with it, is left as it is: %j', async (stream_options) => {
  worker.script = vllm(1);
  await stream(`said-${JSON.stringify(stream_options).replaceAll(/\W/g, '')}`, { stream_options });
  expect(worker.requests.at(-1)!.body).toBe(JSON.stringify(chat({ stream: true, stream_options })));
});

const ROLE = `data: {${HEAD},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n`;
const named = (name: string, rest: string): string => `event: ${name}\ndata: {"type":"${name}"${rest}}\n\n`;
const PLAIN = named('content_block_delta', ',"delta":{"type":"text_delta","text":"a"},"index":0');
const MESSAGE = [
  named('message_start', ',"message":{"id":"m1","content":[],"usage":{"input_tokens":310,"output_tokens":0}}'),
  named('content_block_start', ',"content_block":{"type":"text","text":""},"index":0'),
];
const RESPONSE = ['created', 'in_progress', 'output_item.added', 'content_part.added'].map((name, i) =>
  named(`response.${name}`, `,"sequence_number":${i}`),
);
const DELTA = named('response.output_text.delta', ',"content_index":0,"delta":"a","sequence_number":4');

test.each([
  ['left-chat', '/v1/chat/completions', chat({ stream: true }), [ROLE, ...Array<string>(5).fill(word(0, 'a'))], null],
  ['left-text', '/v1/completions', { model: 'm', prompt: 'hi', stream: true }, Array<string>(5).fill(word(0, 'a')), null],
  ['left-message', '/v1/messages', chat({ stream: true, max_tokens: 9 }), [...MESSAGE, ...Array<string>(5).fill(PLAIN)], 310],
  ['left-response', '/v1/responses', { model: 'm', input: 'hi', stream: true }, [...RESPONSE, ...Array<string>(5).fill(DELTA)], null],
])('of a stream that its client leaves the text that it had is counted (%s)', async (id, path, body, events, input) => {
  worker.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    // One chunk an event, as vLLM writes them: Node makes one of all that is written in a turn.
    const write = (at: number): unknown => at < events.length && response.write(events[at]!, () => setImmediate(write, at + 1));
    write(0);
  };
  const leaving = new AbortController();
  const response = await ask(gateway.url, body, { path, headers: { 'x-request-id': id }, signal: leaving.signal });
  const one = flow(response);
  await until(() => one.text() === events.join(''), 'all that the worker has said');
  leaving.abort();
  const end = await endOf(gateway, id);
  expect(end).toMatchObject({ outcome: 'disconnected', output_tokens: 5 });
  expect(end['input_tokens'] ?? null).toBe(input);
});

test('an error that the worker finds when the stream has begun is no token', async () => {
  worker.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.end('data: {"error":{"message":"Grammar error","type":"BadRequestError","param":null,"code":400}}\n\ndata: [DONE]\n\n');
  };
  await stream('no-token', {});
  const end = await endOf(gateway, 'no-token');
  expect(end['status']).toBe(400);
  expect(end).not.toHaveProperty('output_tokens');
  expect(end).not.toHaveProperty('input_tokens');
});

test('a worker that does not answer the question loses nothing of its stream', async () => {
  worker.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.end(`${word(0, 'Hello')}${finish(0, SIGNED)}data: [DONE]\n\n`);
  };
  expect(await stream('not-told', {})).toBe(direct(1, false));
  expect(await endOf(gateway, 'not-told')).toMatchObject({ outcome: 'complete' });
});

test('the last word is not lost where the worker breaks off behind it', async () => {
  worker.script = vllm(1, true);
  const text = await stream('cut', {});
  expect(text.startsWith(word(0, 'Hello'))).toBe(true);
  expect(text).toContain('"content":"."},"logprobs":null,"finish_reason":"stop"');
  expect(text).not.toContain('[DONE]');
});
