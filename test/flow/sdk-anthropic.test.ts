import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

// Anthropic's own SDK, whose key comes in x-api-key and whose errors have shapes of their own.

const KEY = 'hg-the-key-of-the-app-1';

let worker: FakeVllm;
let gateway: TestGateway;

beforeEach(async () => {
  worker = await startFakeVllm();
  const limits = { concurrent_requests: 1, requests_per_minute: 3 };
  gateway = await startTestGateway([worker.url], { auth: { keys: [{ name: 'app', key: KEY, models: ['m'], limits }] } });
  await gateway.gateway.firstReady;
  worker.script = ({ body }, response) => {
    const message = {
      ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn', stop_sequence: null },
      ...{ content: [{ type: 'text', text: 'Hello' }], usage: { input_tokens: 3, output_tokens: 2 } },
    };
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify(message));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const events: [string, object][] = [
      ['message_start', { message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 3, output_tokens: 0 } } }],
      ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
      ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } }],
      ['content_block_stop', { index: 0 }],
      ['message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } }],
      ['message_stop', {}],
    ];
    for (const [type, more] of events) response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    response.end();
  };
});

afterEach(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

const client = (apiKey: string, maxRetries = 0) => new Anthropic({ baseURL: gateway.url, apiKey, maxRetries });
const ASK = { model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: 'hi' }] };

test('a key in x-api-key is a key, for whole answers and for streams', async () => {
  const message = await client(KEY).messages.create(ASK);
  expect(message.content).toEqual([{ type: 'text', text: 'Hello' }]);
  const stream = client(KEY).messages.stream(ASK);
  expect(await stream.finalText()).toBe('Hello');
  expect((await stream.finalMessage()).usage).toMatchObject({ input_tokens: 3, output_tokens: 2 });
});

test('refusals are the SDK’s own errors: a wrong key, a model that is not the key’s, a limit', async () => {
  const refusal = async (key: string, more: object = {}): Promise<unknown> =>
    client(key)
      .messages.create({ ...ASK, ...more })
      .then(
        () => null,
        (error: unknown) => error,
      );
  expect(await refusal('wrong')).toBeInstanceOf(Anthropic.AuthenticationError);
  expect(await refusal(KEY, { model: 'other' })).toBeInstanceOf(Anthropic.NotFoundError);
  for (let i = 0; i < 3; i++) expect(await refusal(KEY)).toBeNull();
  const limited = await refusal(KEY);
  expect(limited).toBeInstanceOf(Anthropic.RateLimitError);
  expect((limited as InstanceType<typeof Anthropic.RateLimitError>).error).toMatchObject({
    type: 'error',
    error: { type: 'rate_limit_error' },
  });
  expect(worker.requests).toHaveLength(3);
});
