import { connect } from 'node:net';
import { once } from 'node:events';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { rawJson, rawRequest } from '../../support/raw-http.ts';
import type { RawAnswer } from '../../support/raw-http.ts';
import type { ServedSim } from '../../support/sim.ts';
import { serveInside } from '../../support/sim-inside.ts';

const MODEL = 'sim-1B';
const CHAT_PATH = '/v1/chat/completions';
const GAUGES = ['vllm:num_requests_running', 'vllm:num_requests_waiting', 'vllm:kv_cache_usage_perc'] as const;
const MESSAGES = [{ role: 'user' as const, content: 'What is the weather in Paris?' }];
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: z.toJSONSchema(z.object({ city: z.string(), days: z.int().min(1).max(7) })) as Record<string, unknown>,
  },
};

function bodyOf<T = Record<string, never>>(answer: RawAnswer): T {
  return JSON.parse(answer.body) as T;
}

/** Requests in its hands, whatever its engine does. */
async function serverLoad(sim: ServedSim): Promise<number> {
  return bodyOf<{ server_load: number }>(await rawRequest({ port: sim.port, path: '/load' })).server_load;
}

/** One number of the metrics page; the sum where there are several series. */
async function metric(sim: ServedSim, name: string): Promise<number> {
  const page = (await rawRequest({ port: sim.port, path: '/metrics' })).body;
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`));
  expect(lines.length).toBeGreaterThan(0);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe('the surface', () => {
  let sim: ServedSim;
  let client: OpenAI;
  beforeAll(async () => {
    sim = await serveInside({
      model: MODEL,
      args: ['--max-model-len', '4096', '--enable-auto-tool-choice', '--tool-call-parser', 'hermes'],
    });
    client = new OpenAI({ baseURL: `${sim.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(() => sim.stop());

  test('says the same for the same prompt and seed, and something else for another seed', async () => {
    const say = async (seed: number): Promise<string> => {
      const answer = await client.chat.completions.create({ model: MODEL, messages: MESSAGES, seed });
      return answer.choices[0]!.message.content!;
    };
    const [one, again, other] = [await say(1), await say(1), await say(2)];
    expect(again).toBe(one);
    expect(other).not.toBe(one);
    expect(one).toMatch(/^This is simulated text/);
  });

  test('ends of itself with stop, or at max_tokens with length, and counts the tokens', async () => {
    const free = await client.chat.completions.create({ model: MODEL, messages: MESSAGES });
    expect(free.choices[0]!.finish_reason).toBe('stop');
    const cut = await client.chat.completions.create({ model: MODEL, messages: MESSAGES, max_completion_tokens: 7 });
    expect(cut.choices[0]!.finish_reason).toBe('length');
    expect(cut.usage!.completion_tokens).toBe(7);
    const counted = bodyOf<{ count: number }>(await rawJson(sim.port, '/tokenize', { prompt: cut.choices[0]!.message.content }));
    expect(counted.count).toBe(7);
  });

  test('a stream adds up to what the whole answer says', async () => {
    const whole = await client.chat.completions.create({ model: MODEL, messages: MESSAGES, n: 2, seed: 3 });
    const texts = ['', ''];
    for await (const chunk of await client.chat.completions.create({ model: MODEL, messages: MESSAGES, n: 2, seed: 3, stream: true })) {
      for (const choice of chunk.choices) texts[choice.index]! += choice.delta.content ?? '';
    }
    expect(texts).toEqual(whole.choices.map((choice) => choice.message.content));
    expect(texts[0]).not.toBe(texts[1]);
  });

  test.each<OpenAI.ChatCompletionToolChoiceOption>(['auto', 'required', { type: 'function', function: { name: 'get_weather' } }])(
    'calls a tool for tool_choice %o, whole and in pieces',
    async (choice) => {
      const request = { model: MODEL, messages: MESSAGES, tools: [WEATHER], tool_choice: choice };
      const whole = await client.chat.completions.create(request);
      const [call] = whole.choices[0]!.message.tool_calls!;
      if (call?.type !== 'function') throw new Error('no function was called');
      const shape = z.object({ city: z.string(), days: z.int().min(1).max(7) });
      shape.parse(JSON.parse(call.function.arguments));
      const pieces: string[] = [];
      let name = '';
      let reason: string | null = null;
      for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
        const [piece] = chunk.choices[0]!.delta.tool_calls ?? [];
        if (piece?.function?.name) ({ name } = piece.function as { name: string });
        if (piece?.function?.arguments) pieces.push(piece.function.arguments);
        reason = chunk.choices[0]!.finish_reason;
      }
      expect(name).toBe('get_weather');
      expect(pieces.length).toBeGreaterThan(3);
      expect(pieces.join('')).toBe(call.function.arguments);
      expect(reason).toBe(typeof choice === 'string' ? 'tool_calls' : 'stop');
      expect(whole.choices[0]!.finish_reason).toBe(reason);
    },
  );

  test('talks again once the tool has answered, and calls nothing for tool_choice none', async () => {
    const call = { id: 'a', type: 'function' as const, function: { name: 'get_weather', arguments: '{}' } };
    const messages = [
      ...MESSAGES,
      { role: 'assistant' as const, tool_calls: [call] },
      { role: 'tool' as const, tool_call_id: 'a', content: 'sunny' },
    ];
    for (const request of [{ messages }, { messages: MESSAGES, tool_choice: 'none' as const }]) {
      const answer = await client.chat.completions.create({ model: MODEL, tools: [WEATHER], ...request });
      expect(answer.choices[0]!.message.tool_calls).toBeUndefined();
      expect(answer.choices[0]!.message.content).toMatch(/^This is simulated text/);
    }
  });

  test('answers in the format that was asked for', async () => {
    const shape = z.object({ title: z.string().max(20), score: z.int().min(1).max(5), tags: z.array(z.enum(['a', 'b'])).min(2) });
    const strict = await client.chat.completions.create({
      model: MODEL,
      messages: MESSAGES,
      response_format: { type: 'json_schema', json_schema: { name: 'thing', schema: z.toJSONSchema(shape) as Record<string, unknown> } },
    });
    shape.parse(JSON.parse(strict.choices[0]!.message.content!));
    const loose = await client.chat.completions.create({ model: MODEL, messages: MESSAGES, response_format: { type: 'json_object' } });
    expect(JSON.parse(loose.choices[0]!.message.content!)).toMatchObject({ simulated: true });
  });

  test('gives logprobs with as many alternatives as asked for, whole and in a stream alike', async () => {
    const request = { model: MODEL, messages: MESSAGES, logprobs: true, top_logprobs: 3, max_tokens: 4 };
    const whole = await client.chat.completions.create(request);
    const content = whole.choices[0]!.logprobs!.content!;
    expect(content.map((entry) => entry.top_logprobs.length)).toEqual([3, 3, 3, 3]);
    expect(content.map((entry) => entry.token).join('')).toBe(whole.choices[0]!.message.content);
    const streamed: unknown[] = [];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
      streamed.push(...(chunk.choices[0]!.logprobs?.content ?? []));
    expect(streamed).toEqual(content);
  });

  test('text completions take texts and ids, repeat the prompt on demand, and stream what the whole says', async () => {
    const { tokens } = bodyOf<{ tokens: number[] }>(await rawJson(sim.port, '/tokenize', { prompt: 'Once upon a time' }));
    const byText = await client.completions.create({ model: MODEL, prompt: 'Once upon a time', echo: true });
    const byIds = await client.completions.create({ model: MODEL, prompt: tokens, echo: true });
    expect(byText.choices[0]!.text).toMatch(/^Once upon a timeThis is simulated/);
    expect(byIds.choices[0]!.text).toBe(byText.choices[0]!.text);
    expect(byText.usage).toMatchObject({ prompt_tokens: tokens.length, completion_tokens: 16 });
    let streamed = '';
    for await (const chunk of await client.completions.create({ model: MODEL, prompt: 'Once upon a time', echo: true, stream: true }))
      streamed += chunk.choices[0]!.text;
    expect(streamed).toBe(byText.choices[0]!.text);
  });

  test('embeddings are vectors of length one, the same as floats and as base64, and shorter on demand', async () => {
    const floats = await client.embeddings.create({
      model: MODEL,
      input: ['a red fox', 'a red fox', 'stock markets'],
      encoding_format: 'float',
    });
    const [first, second, third] = floats.data.map((entry) => entry.embedding);
    expect(first!.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    expect(second).toEqual(first);
    expect(third).not.toEqual(first);
    // The client asks for base64 when nothing is said, and decodes it as little-endian float32.
    const decoded = await client.embeddings.create({ model: MODEL, input: 'a red fox' });
    expect(decoded.data[0]!.embedding).toEqual(first);
    const short = await client.embeddings.create({ model: MODEL, input: 'a red fox', dimensions: 8 });
    expect(short.data[0]!.embedding).toHaveLength(8);
    expect(floats.usage.prompt_tokens).toBe(floats.usage.total_tokens);
  });

  test('the Responses API gives OpenAI’s client a whole response, and a stream that adds up to one', async () => {
    const whole = await client.responses.create({ model: MODEL, input: 'Hello', instructions: 'Be brief' });
    expect(whole.status).toBe('completed');
    const types: string[] = [];
    const stream = client.responses.stream({ model: MODEL, input: 'Hello', instructions: 'Be brief' });
    for await (const event of stream) if (types.at(-1) !== event.type) types.push(event.type);
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect((await stream.finalResponse()).output_text).toBe(whole.output_text);
    const short = await client.responses.create({ model: MODEL, input: 'Hello', max_output_tokens: 3 });
    expect([short.status, short.incomplete_details?.reason]).toEqual(['incomplete', 'max_output_tokens']);
  });

  test('the Responses API calls functions', async () => {
    const tools = [{ type: 'function' as const, name: 'get_weather', parameters: WEATHER.function.parameters, strict: true }];
    const stream = client.responses.stream({ model: MODEL, input: 'Weather?', tools });
    const types = new Set<string>();
    for await (const event of stream) types.add(event.type);
    expect(types).toContain('response.function_call_arguments.delta');
    const [item] = (await stream.finalResponse()).output;
    if (item?.type !== 'function_call') throw new Error('no function was called');
    expect(JSON.parse(item.arguments)).toHaveProperty('city');
  });

  test('the Messages API answers in Anthropic’s shape, whole, in a stream without [DONE], and for errors', async () => {
    const request = {
      model: MODEL,
      max_tokens: 5,
      system: 'Be brief',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    };
    const whole = bodyOf<{ content: { text: string }[]; usage: { input_tokens: number } }>(
      await rawJson(sim.port, '/v1/messages', request),
    );
    expect(whole).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'max_tokens', usage: { output_tokens: 5 } });
    const counted = await rawJson(sim.port, '/v1/messages/count_tokens', request);
    const { input_tokens: inputTokens } = whole.usage;
    expect(bodyOf(counted)).toEqual({ input_tokens: inputTokens, context_management: { original_input_tokens: inputTokens } });
    const stream = await rawJson(sim.port, '/v1/messages', { ...request, stream: true });
    const events = stream.body.split('\n\n').filter(Boolean);
    expect(events.map((event) => /^event: (\w+)\ndata: /.exec(event)?.[1])).toEqual([
      'message_start',
      'content_block_start',
      ...new Array<string>(5).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const text = events
      .map((event) => (JSON.parse(event.slice(event.indexOf('data: ') + 6)) as { delta?: { text?: string } }).delta?.text ?? '')
      .join('');
    expect(text).toBe(whole.content[0]!.text);
    const unknown = await rawJson(sim.port, '/v1/messages', { ...request, model: 'nope' });
    expect(unknown.status).toBe(404);
    expect(bodyOf(unknown)).toEqual({
      type: 'error',
      error: { type: 'NotFoundError', message: `The model \`nope\` does not exist. Valid aliases: ${MODEL}.` },
    });
  });

  test('rerank puts the likest document first, score compares, classify and pooling answer', async () => {
    const ranked = bodyOf<{ results: { index: number; document: { text: string } }[] }>(
      await rawJson(sim.port, '/v2/rerank', { query: 'water gate', documents: ['stock market news', 'the water gate opens'], top_n: 1 }),
    );
    expect(ranked.results.map((entry) => entry.index)).toEqual([1]);
    const scored = bodyOf<{ data: { score: number }[] }>(
      await rawJson(sim.port, '/v1/score', { text_1: 'water gate', text_2: ['the water gate', 'bonds'] }),
    );
    expect(scored.data[0]!.score).toBeGreaterThan(scored.data[1]!.score);
    expect(bodyOf(await rawJson(sim.port, '/classify', { input: 'a' }))).toMatchObject({ data: [{ index: 0, num_classes: 2 }] });
    expect(bodyOf(await rawJson(sim.port, '/pooling', { input: 'a' }))).toMatchObject({ data: [{ index: 0, object: 'pooling' }] });
  });

  test('audio uploads are read to their end and their size is told', async () => {
    const file = new File([new Uint8Array(123_456)], 'speech.wav');
    const heard = await client.audio.transcriptions.create({ model: MODEL, file });
    expect(heard.text).toContain('123456 bytes');
    expect((await client.audio.translations.create({ model: MODEL, file })).text).toContain('123456 bytes');
  });

  test('a stop string in the middle of a token ends the text before it', async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: MESSAGES, stop: ['ulated'] });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: 'ulated', message: { content: 'This is sim' } });
  });

  test('the request id of the client becomes the id of the answer', async () => {
    const answer = await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 1 }, { 'x-request-id': 'abc-1' });
    expect(bodyOf<{ id: string }>(answer).id).toBe('chatcmpl-abc-1');
    expect(answer.headers.map(([name]) => name)).not.toContain('x-request-id');
  });

  test('unknown fields and a missing model are accepted, as vLLM does', async () => {
    expect((await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 1, frobnicate: true })).status).toBe(200);
  });

  test('the engine’s load comes along for who asks for it', async () => {
    const answer = await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 1 }, { 'endpoint-load-metrics-format': 'JSON' });
    expect(answer.headers).toContainEqual([
      'endpoint-load-metrics',
      'JSON {"named_metrics": {"num_requests_waiting": 0.0, "kv_cache_usage_perc": 0.0}}',
    ]);
  });

  test('a connection is used again after a stream', async () => {
    const socket = connect(sim.port, '127.0.0.1');
    const body = JSON.stringify({ messages: MESSAGES, max_tokens: 2, stream: true });
    const head = `POST ${CHAT_PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    // Both at once: the second answer waits for the end of the first.
    socket.write(head + body + head + body);
    await expect.poll(() => received.split('\r\n0\r\n\r\n').length - 1).toBe(2);
    expect(received.split('data: [DONE]')).toHaveLength(3);
    expect(received.split('HTTP/1.1 200 OK')).toHaveLength(3);
    socket.destroy();
  });
});

describe('flags', () => {
  test('--served-model-name: every name is served, the first is in every answer', async () => {
    await using sim = await serveInside({ args: ['--served-model-name', 'main', 'alias'] });
    const listed = bodyOf<{ data: { id: string; root: string }[] }>(await rawRequest({ port: sim.port, path: '/v1/models' }));
    expect(listed.data.map(({ id, root }) => [id, root])).toEqual([
      ['main', 'sim-1B'],
      ['alias', 'sim-1B'],
    ]);
    expect(bodyOf<{ model: string }>(await rawJson(sim.port, CHAT_PATH, { model: 'alias', messages: MESSAGES, max_tokens: 1 })).model).toBe(
      'main',
    );
    expect((await rawJson(sim.port, CHAT_PATH, { model: 'sim-1B', messages: MESSAGES })).status).toBe(404);
  });

  test('--api-key: /v1 needs it, /health does not, and the refusal is a text', async () => {
    await using sim = await serveInside({ args: ['--api-key', 'secret', 'other'] });
    const body = { messages: MESSAGES, max_tokens: 1 };
    const refused = await rawJson(sim.port, CHAT_PATH, body);
    expect([refused.status, refused.body]).toEqual([401, '{"error":"Unauthorized"}']);
    expect((await rawJson(sim.port, CHAT_PATH, body, { authorization: 'Bearer other' })).status).toBe(200);
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
  });

  test('--enable-request-id-headers, --enable-prompt-tokens-details and --enable-force-include-usage', async () => {
    await using sim = await serveInside({
      args: [
        '--enable-request-id-headers',
        '--enable-prompt-tokens-details',
        '--enable-force-include-usage',
        '--enable-per-request-metrics',
      ],
    });
    const messages = [{ role: 'user', content: 'the same long beginning '.repeat(20) }];
    const first = await rawJson(sim.port, CHAT_PATH, { messages, max_tokens: 2 }, { 'x-request-id': 'mine' });
    expect(first.headers).toContainEqual(['x-request-id', 'mine']);
    const second = bodyOf<{ usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } }; metrics: unknown }>(
      await rawJson(sim.port, CHAT_PATH, { messages, max_tokens: 2 }),
    );
    expect(second.usage.prompt_tokens_details.cached_tokens).toBe(Math.floor((second.usage.prompt_tokens - 1) / 16) * 16);
    expect(second.metrics).toMatchObject({ queue_time_ms: expect.any(Number), time_to_first_token_ms: expect.any(Number) });
    const stream = await rawJson(sim.port, CHAT_PATH, { messages, max_tokens: 2, stream: true });
    expect(stream.body).toMatch(
      /"choices":\[\],"usage":\{"prompt_tokens":\d+,"total_tokens":\d+,"completion_tokens":2,"prompt_tokens_details":\{"cached_tokens":\d+,"created_cache_tokens":\d+\}\}/,
    );
  });

  test('--runner says which of the two surfaces there is', async () => {
    await using pooling = await serveInside({ args: ['--runner', 'pooling'] });
    expect((await rawJson(pooling.port, CHAT_PATH, { messages: MESSAGES })).status).toBe(404);
    expect((await rawJson(pooling.port, '/v1/embeddings', { input: 'a' })).status).toBe(200);
    await using generate = await serveInside({ args: ['--runner', 'generate'] });
    expect((await rawJson(generate.port, '/v1/embeddings', { input: 'a' })).status).toBe(404);
  });

  test('--stream-interval: tokens come several at a time, and none is lost', async () => {
    await using sim = await serveInside({ args: ['--stream-interval', '4'] });
    const whole = bodyOf<{ choices: { message: { content: string } }[] }>(
      await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 10 }),
    );
    const stream = await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 10, stream: true });
    const pieces = [...stream.body.matchAll(/"delta":\{"content":"([^"]+)"/g)].map((match) => match[1]);
    expect(pieces).toHaveLength(4);
    expect(pieces.join('')).toBe(whole.choices[0]!.message.content);
  });

  test('VLLM_SERVER_DEV_MODE opens sleep and wake_up; nothing is generated in between', async () => {
    await using sim = await serveInside({ args: ['--enable-server-load-tracking'], env: { VLLM_SERVER_DEV_MODE: '1' } });
    const post = (path: string): Promise<RawAnswer> => rawRequest({ port: sim.port, path, method: 'POST' });
    expect((await post('/sleep?level=1')).status).toBe(200);
    expect(bodyOf(await rawRequest({ port: sim.port, path: '/is_sleeping' }))).toEqual({ is_sleeping: true });
    const waiting = rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 3 });
    await expect.poll(() => serverLoad(sim)).toBe(1);
    expect((await post('/wake_up')).status).toBe(200);
    expect((await waiting).status).toBe(200);
    await using plain = await serveInside();
    expect((await rawRequest({ port: plain.port, path: '/sleep', method: 'POST' })).status).toBe(404);
  });

  test('VLLM_HTTP_TIMEOUT_KEEP_ALIVE: an idle connection is closed by the server', async () => {
    await using sim = await serveInside({ env: { VLLM_HTTP_TIMEOUT_KEEP_ALIVE: '0.2' } });
    const socket = connect(sim.port, '127.0.0.1');
    socket.write('GET /health HTTP/1.1\r\nhost: a\r\n\r\n');
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).not.toMatch(/connection:|keep-alive:/i);
    await once(socket, 'close');
  });
});

describe('requests and the engine', () => {
  const endless = { messages: MESSAGES, max_tokens: 30_000, ignore_eos: true };

  test('a client that goes away frees its place at once, streaming or not', async () => {
    await using sim = await serveInside({ args: ['--max-num-seqs', '1'], env: { SIM_SPEED: '0.5' } });
    for (const stream of [true, false]) {
      const socket = connect(sim.port, '127.0.0.1');
      const body = JSON.stringify({ ...endless, stream });
      socket.write(
        `POST ${CHAT_PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await expect.poll(() => metric(sim, 'vllm:num_requests_running')).toBe(1);
      socket.destroy();
      await expect.poll(() => metric(sim, 'vllm:num_requests_running')).toBe(0);
      expect(await metric(sim, 'vllm:kv_cache_usage_perc')).toBe(0);
    }
    // A request whose client went away is not counted as finished.
    expect(await metric(sim, 'vllm:request_success_total')).toBe(0);
  });

  test('the headers of a stream come while the request still waits', async () => {
    await using sim = await serveInside({ args: ['--max-num-seqs', '1'], env: { SIM_SPEED: '0.5' } });
    const holder = connect(sim.port, '127.0.0.1');
    const body = JSON.stringify({ ...endless, stream: true });
    const head = `POST ${CHAT_PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    holder.write(head + body);
    await expect.poll(() => metric(sim, 'vllm:num_requests_running')).toBe(1);
    const waiting = connect(sim.port, '127.0.0.1');
    waiting.write(head + body);
    const [received] = (await once(waiting, 'data')) as [Buffer];
    expect(received.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*transfer-encoding: chunked\r\n\r\n$/);
    // The gauge moves with the next step.
    await expect.poll(() => metric(sim, 'vllm:num_requests_waiting')).toBe(1);
    holder.destroy();
    const [first] = (await once(waiting, 'data')) as [Buffer];
    expect(first.toString()).toContain('"role":"assistant"');
    waiting.destroy();
  });

  test('a reader that does not read gets its tokens in fewer and larger chunks, and loses none', async () => {
    await using sim = await serveInside({ env: { SIM_SPEED: '0' } });
    const request = { messages: MESSAGES, max_tokens: 30_000, ignore_eos: true, stream: true, stream_options: { include_usage: true } };
    const body = JSON.stringify(request);
    const socket = connect(sim.port, '127.0.0.1');
    socket.write(
      `POST ${CHAT_PATH} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    await expect.poll(() => metric(sim, 'vllm:generation_tokens_total')).toBe(30_000);
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    socket.resume();
    await once(socket, 'close');
    const pieces = [...received.matchAll(/"delta":\{"content":"([^"]*)"\}/g)].map((match) => match[1]!);
    expect(pieces.length).toBeLessThan(30_000);
    expect(received).toContain('"completion_tokens":30000');
    const { count } = bodyOf<{ count: number }>(await rawJson(sim.port, '/tokenize', { prompt: pieces.join('') }));
    expect(count).toBe(30_000);
  });

  test('the metrics tell what happened: queueing, preemption, prefix hits, every token, and nothing left over', async () => {
    // 40 blocks of 16 tokens for eight requests that grow to about 150 tokens each: not all of them can stay.
    const args = ['--max-model-len', '256', '--num-gpu-blocks-override', '40', '--max-num-seqs', '6', '--enable-server-load-tracking'];
    await using sim = await serveInside({ args });
    const requests = Array.from({ length: 8 }, (_, at) => ({
      messages: [{ role: 'user', content: `${at} ${'word '.repeat(40)}` }],
      max_tokens: 90,
      ignore_eos: true,
    }));
    // All of them are there before the first is worked on, however slowly they come.
    await sim.fault({ fault: 'hang' });
    const calls = requests.map((request) => rawJson(sim.port, CHAT_PATH, request));
    await expect.poll(() => serverLoad(sim)).toBe(8);
    await sim.fault({ fault: 'none' });
    const answers = await Promise.all(calls);
    const usages = answers.map((answer) => bodyOf<{ usage: { prompt_tokens: number; completion_tokens: number } }>(answer).usage);
    expect(usages.map((usage) => usage.completion_tokens)).toEqual(new Array(8).fill(90));
    expect(await metric(sim, 'vllm:num_preemptions_total')).toBeGreaterThan(0);
    expect(await metric(sim, 'vllm:generation_tokens_total')).toBe(8 * 90);
    expect(await metric(sim, 'vllm:prompt_tokens_total')).toBe(usages.reduce((sum, usage) => sum + usage.prompt_tokens, 0));
    expect(await metric(sim, 'vllm:request_success_total')).toBe(8);
    expect(await metric(sim, 'vllm:time_to_first_token_seconds_count')).toBe(8);
    expect(await metric(sim, 'vllm:inter_token_latency_seconds_count')).toBe(8 * 89);
    for (const gauge of GAUGES) expect(await metric(sim, gauge)).toBe(0);
    await rawJson(sim.port, CHAT_PATH, requests[7]);
    expect(await metric(sim, 'vllm:prefix_cache_hits_total')).toBeGreaterThan(0);
  });

  test('the gauges move with the steps of the engine: not while it hangs, and, in an old one, not for clients that leave', async () => {
    await using sim = await serveInside({ args: ['--enable-server-load-tracking'], env: { SIM_SPEED: '0.1' } });
    const gauges = () => Promise.all(GAUGES.map((gauge) => metric(sim, gauge)));
    /** Its server has noticed that the client has left. */
    const gone = () => expect.poll(() => serverLoad(sim)).toBe(0);
    const underWay = async () => {
      const leaving = new AbortController();
      const body = JSON.stringify({ messages: MESSAGES, max_tokens: 5000, ignore_eos: true, stream: true });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${sim.url}${CHAT_PATH}`, { method: 'POST', headers, body, signal: leaving.signal });
      await response.body!.getReader().read();
      await expect.poll(() => metric(sim, GAUGES[0])).toBe(1);
      return () => leaving.abort();
    };
    const leave = await underWay();
    leave();
    await expect.poll(gauges).toEqual([0, 0, 0]);

    await sim.fault({ fault: 'stale-gauges' });
    (await underWay())();
    await gone();
    const generated = await metric(sim, 'vllm:generation_tokens_total');
    expect(await gauges()).toEqual([1, 0, expect.closeTo(0.01, 1)]);
    expect(await metric(sim, 'vllm:generation_tokens_total')).toBe(generated);
    await rawJson(sim.port, CHAT_PATH, { messages: MESSAGES, max_tokens: 2 });
    expect(await gauges()).toEqual([0, 0, 0]);
    await sim.fault({ fault: 'none' });

    const last = await underWay();
    await sim.fault({ fault: 'hang' });
    last();
    await gone();
    expect((await gauges()).slice(0, 2)).toEqual([1, 0]);
  });
});
