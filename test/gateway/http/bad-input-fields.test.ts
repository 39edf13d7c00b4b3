import { afterEach, describe, expect, test } from 'vitest';
import { answers } from '../../support/fake-vllm.ts';
import type { RawAnswer } from '../../support/raw-client.ts';
import { expectRefusal, frontDoor, request, SECRET } from './front-door.ts';

const door = frontDoor();
afterEach(() => {
  door.worker.requests.length = 0;
  door.worker.script = answers.completion();
});

function post(path: string, body: unknown): Promise<RawAnswer> {
  return door.ask(request({ line: `POST ${path} HTTP/1.1`, body: JSON.stringify(body) }));
}

async function expectInvalid(path: string, fields: Record<string, unknown>, param: string): Promise<void> {
  expectRefusal(await post(path, { model: 'm', ...fields }), 'invalid_value', param);
  expect(door.worker.requests).toEqual([]);
}

async function expectFine(path: string, fields: Record<string, unknown>): Promise<void> {
  expect((await post(path, { model: 'm', ...fields })).status).toBe(200);
}

const CHAT_PATH = '/v1/chat/completions';

describe('fields that a worker should not be sent', () => {
  test.each([
    ['n', 1e9],
    ['n', 129],
    ['n', 0],
    ['n', -1],
    ['n', 1.5],
    ['n', '2'],
    ['n', [1]],
    ['best_of', 1e9],
    ['logprobs', 1e6],
    ['top_logprobs', 1e6],
    ['prompt_logprobs', 1e6],
  ])('case 33: %s = %j', (key, value) => expectInvalid(CHAT_PATH, { [key]: value }, key));

  test.each([
    ['max_tokens', -1],
    ['max_tokens', 0],
    ['max_tokens', '10'],
    ['max_tokens', 1.5],
    ['max_tokens', 1e300],
    ['max_tokens', true],
    ['max_completion_tokens', 0],
    ['max_completion_tokens', {}],
    ['max_output_tokens', -5],
  ])('case 34: %s = %j', (key, value) => expectInvalid(CHAT_PATH, { [key]: value }, key));

  test('case 34: more tokens than the model can hold are for the worker to refuse, in its words', async () => {
    door.worker.script = answers.error(400, {
      error: { message: "This model's maximum context length is 256 tokens.", type: 'BadRequestError', param: 'max_tokens', code: 400 },
    });
    const answer = await post(CHAT_PATH, { model: 'm', max_tokens: 1e9 });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).error).toEqual({
      message: "This model's maximum context length is 256 tokens.",
      type: 'invalid_request_error',
      param: 'max_tokens',
      code: 'context_length_exceeded',
    });
  });

  test.each([
    ['temperature', -1],
    ['temperature', 'hot'],
    ['temperature', [0]],
    ['top_p', -0.1],
    ['top_p', {}],
  ])('case 35: %s = %j', (key, value) => expectInvalid(CHAT_PATH, { [key]: value }, key));

  test('case 36: more than 1,024 prompts, or 2,048 inputs, are too many', async () => {
    await expectInvalid('/v1/completions', { prompt: Array.from({ length: 1_025 }, () => SECRET) }, 'prompt');
    await expectInvalid('/v1/completions', { prompt: Array.from({ length: 1_025 }, () => [1]) }, 'prompt');
    await expectInvalid('/v1/completions', { prompt: Array.from({ length: 1_000_000 }, () => 'x') }, 'prompt');
    await expectInvalid('/v1/embeddings', { input: Array.from({ length: 2_049 }, () => 'x') }, 'input');
    await expectFine('/v1/completions', { prompt: Array.from({ length: 1_024 }, () => 'x') });
    await expectFine('/v1/completions', { prompt: Array.from({ length: 5_000 }, () => 1) });
  });

  test('case 36: more than 2,048 messages are too many', async () => {
    const messages = Array.from({ length: 2_049 }, () => ({ role: 'user', content: 'x' }));
    await expectInvalid(CHAT_PATH, { messages }, 'messages');
  });

  test('case 37: more than 512 tools are too many', async () => {
    await expectInvalid(CHAT_PATH, { tools: Array.from({ length: 513 }, () => ({ type: 'function' })) }, 'tools');
  });

  test('case 37: a schema nested beyond the limit is refused', async () => {
    let schema: object = { type: 'string' };
    for (let i = 0; i < 70; i++) schema = { properties: schema };
    expectRefusal(await post(CHAT_PATH, { model: 'm', response_format: schema }), 'json_too_deep');
  });

  test('case 38: more than 16 stop strings are too many', async () => {
    await expectInvalid(CHAT_PATH, { stop: Array.from({ length: 10_000 }, () => SECRET) }, 'stop');
    await expectFine(CHAT_PATH, { stop: Array.from({ length: 16 }, () => 'x') });
  });

  test.each([
    ['stream', 'true'],
    ['stream', 1],
    ['stream', {}],
  ])('case 44: %s = %j', (key, value) => expectInvalid(CHAT_PATH, { [key]: value }, key));

  test('case 44: stream_options without a stream', () =>
    expectInvalid(CHAT_PATH, { stream_options: { include_usage: true } }, 'stream_options'));

  test('the message never repeats a value that is text', async () => {
    for (const key of ['n', 'max_tokens', 'stream', 'temperature']) await expectInvalid(CHAT_PATH, { [key]: SECRET }, key);
    await expectInvalid(CHAT_PATH, { model: [SECRET] }, 'model');
  });
});

describe('case 42: models', () => {
  test.each(['x', '../x', ' m', 'M', 'm\u0000', '__proto__', 'constructor', 'toString', '<img>', 'x'.repeat(512), '模型'])(
    'there is no model %j',
    async (model) => {
      expectRefusal(await post(CHAT_PATH, { model }), 'model_not_found', 'model');
    },
  );

  test.each([1, true, {}, [], ['m']])('%j names no model', (model) => expectInvalid(CHAT_PATH, { model }, 'model'));

  test('a name of ten megabytes is refused and not repeated', async () => {
    await expectInvalid(CHAT_PATH, { model: 'm'.repeat(10_000_000) }, 'model');
  });

  test('an unknown model is "unknown" in the metrics, not a label of its own', async () => {
    await post(CHAT_PATH, { model: 'plover-label' });
    const page = (await door.ask(request({ line: 'GET /metrics HTTP/1.1' }))).body;
    expect(page).toMatch(/headgate_requests_total\{[^}]*model="unknown"/);
    expect(page).not.toContain('plover-label');
  });
});

describe('case 39: media that a worker would have to fetch', () => {
  const inside = ['http://169.254.169.254/latest/meta-data/', 'file:///etc/passwd', 'http://a\\@b.com/', 'http://localhost./x'];

  test.each(inside)('%s is refused wherever an API has room for it', async (url) => {
    const image = { type: 'image_url', image_url: { url } };
    const places: [path: string, fields: Record<string, unknown>, param: string][] = [
      [CHAT_PATH, { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, image] }] }, 'messages[0].content[1].image_url'],
      [CHAT_PATH, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: url }] }] }, 'messages[0].content[0].image_url'],
      [
        CHAT_PATH,
        { messages: [{ role: 'user', content: [{ type: 'video_url', video_url: { url } }] }] },
        'messages[0].content[0].video_url',
      ],
      [
        '/v1/embeddings',
        { messages: [{ role: 'user', content: [{ type: 'audio_url', audio_url: { url } }] }] },
        'messages[0].content[0].audio_url',
      ],
      ['/v1/responses', { input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] }, 'input[0].content[0].image_url'],
      ['/v1/responses', { input: [{ role: 'user', content: [{ type: 'input_file', file_url: url }] }] }, 'input[0].content[0].file_url'],
      ['/v1/score', { text_1: 'x', text_2: { content: [image] } }, 'text_2.content[0].image_url'],
      ['/v1/rerank', { query: 'x', documents: [{ content: [image] }] }, 'documents[0].content[0].image_url'],
    ];
    for (const [path, fields, param] of places) await expectInvalid(path, fields, param);
  });

  test.each(inside)("Anthropic's sources too: %s", async (url) => {
    const content = [{ type: 'image', source: { type: 'url', url } }];
    const answer = await post('/v1/messages', { model: 'm', max_tokens: 1, messages: [{ role: 'user', content }] });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    expect(door.worker.requests).toEqual([]);
  });

  test('inline data and public addresses pass', async () => {
    for (const url of [
      `data:image/png;base64,${'QUJD'.repeat(100_000)}`,
      'https://example.com/a.png?x=1#y',
      'http://93.184.215.14:8080/a',
    ]) {
      await expectFine(CHAT_PATH, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
    }
  });

  test('a tool may have a parameter called image_url', async () => {
    const properties = { image_url: { type: 'string', url: 'file:///x' } };
    await expectFine(CHAT_PATH, { messages: [], tools: [{ type: 'function', function: { name: 'f', parameters: { properties } } }] });
  });
});

test('case 45: keys of clients are not looked at, and go no further', async () => {
  for (const header of [`Authorization: Bearer ${SECRET}`, `Authorization: Basic ${SECRET}`, `X-Api-Key: ${SECRET.repeat(400)}`]) {
    const answer = await door.ask(request({ headers: [header], body: '{"model":"m"}' }));
    expect(answer.status).toBe(200);
  }
  expect(JSON.stringify(door.worker.requests)).not.toContain(SECRET);
});
