import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';
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

test.each<[{ include_usage?: boolean } | null]>([[{ include_usage: true }], [{ include_usage: false }], [{}], [null]])(
  'what a client says of it itself is left as it is: %j',
  async (stream_options) => {
    worker.script = vllm(1);
    const id = `said-${JSON.stringify(stream_options).replaceAll(/\W/g, '')}`;
    const text = await stream(id, { stream_options });
    expect(text).toBe(direct(1, stream_options?.include_usage === true));
    expect(worker.requests.at(-1)!.body).toBe(JSON.stringify(chat({ stream: true, stream_options })));
  },
);

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
