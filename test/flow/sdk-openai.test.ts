import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI7 from 'openai';
import { zodResponseFormat as zodFormat7 } from 'openai/helpers/zod';
import OpenAI6 from 'openai-6';
import { zodResponseFormat as zodFormat6 } from 'openai-6/helpers/zod';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import type { RunningSim } from '../support/sim.ts';
import { beforeSimulatedEngine } from './sdk-scene.ts';
import { endOf, engineIdle, gaugeOf, settled } from './settled.ts';

const MODEL = 'maker/sim-1B';
/** Long enough that no test sees its end: eight seconds at a millisecond a token. */
const ENDLESS = { max_completion_tokens: 8_000, ignore_eos: true } as const;

const SDKS = [
  { version: 7, OpenAI: OpenAI7, zodResponseFormat: zodFormat7 },
  // The types of the two differ in names that no test here uses.
  { version: 6, OpenAI: OpenAI6 as unknown as typeof OpenAI7, zodResponseFormat: zodFormat6 as unknown as typeof zodFormat7 },
] as const;

const WEATHER_TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 5 } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
} as const;

const USER = [{ role: 'user', content: 'Say something about rivers.' }] as const;

let sim: RunningSim;
let gateway: TestGateway;

beforeSimulatedEngine(
  (startedSim, startedGateway) => {
    sim = startedSim;
    gateway = startedGateway;
  },
  { model: MODEL, args: ['--enable-prompt-tokens-details'] },
);

afterEach(() => idle(gateway));

/** Nothing is left of any call, at the gateway or at the engine. */
async function idle(gateway: TestGateway): Promise<void> {
  await settled(gateway);
  await engineIdle(sim.url);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

describe.each(SDKS)('openai $version', ({ OpenAI, zodResponseFormat }) => {
  const client = (options: Partial<ConstructorParameters<typeof OpenAI7>[0]> = {}, url = gateway.url) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: 'not-needed', maxRetries: 0, ...options });

  test('a chat answers with text, a finish reason and exact usage', async () => {
    const chat = await client().chat.completions.create({ model: MODEL, messages: [...USER], max_completion_tokens: 12 });
    expect(chat.object).toBe('chat.completion');
    expect(chat.model).toBe(MODEL);
    expect(chat.choices[0]?.message.role).toBe('assistant');
    expect(chat.choices[0]?.message.content).toMatch(/\w/);
    expect(chat.choices[0]?.finish_reason).toBe('length');
    expect(chat.usage?.completion_tokens).toBe(12);
    expect(chat._request_id).toMatch(/^[\w.-]{1,128}$/);
  });

  test('a stream says the same text as the whole answer, and ends with a finish reason', async () => {
    const ask = { model: MODEL, messages: [...USER], max_completion_tokens: 40, seed: 7 };
    const whole = await client().chat.completions.create(ask);
    const stream = await client().chat.completions.create({ ...ask, stream: true });
    let text = '';
    let finish: string | null = null;
    const ids = new Set<string>();
    for await (const chunk of stream) {
      ids.add(chunk.id);
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(finish).toBe(whole.choices[0]?.finish_reason);
    expect(ids.size).toBe(1);
  });

  test('the stream helper puts the message together', async () => {
    const stream = client().chat.completions.stream({ model: MODEL, messages: [...USER], max_completion_tokens: 20, seed: 3 });
    let heard = '';
    stream.on('content', (delta) => (heard += delta));
    const message = await stream.finalMessage();
    expect(message.role).toBe('assistant');
    expect(message.content).toBe(heard);
    expect((await stream.finalChatCompletion()).choices[0]?.finish_reason).toBe('length');
  });

  test('include_usage brings one last chunk with the usage and no choices', async () => {
    const stream = await client().chat.completions.create({
      model: MODEL,
      messages: [...USER],
      max_completion_tokens: 9,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await all(stream);
    const last = chunks.at(-1);
    expect(last?.choices).toEqual([]);
    expect(last?.usage?.completion_tokens).toBe(9);
    expect(chunks.filter((chunk) => chunk.usage != null)).toHaveLength(1);
  });

  test('a tool call comes with arguments that fit the tool', async () => {
    const chat = await client().chat.completions.create({ model: MODEL, messages: [...USER], tools: [WEATHER_TOOL], seed: 1 });
    const call = chat.choices[0]?.message.tool_calls?.[0];
    expect(chat.choices[0]?.finish_reason).toBe('tool_calls');
    expect(call?.type === 'function' && call.function.name).toBe('get_weather');
    const given = JSON.parse(call?.type === 'function' ? call.function.arguments : '');
    expect(given).toEqual({ city: expect.any(String), days: expect.any(Number) });
  });

  test('streamed tool arguments put together are those of the whole answer', async () => {
    const ask = { model: MODEL, messages: [...USER], tools: [WEATHER_TOOL], seed: 1 };
    const whole = await client().chat.completions.create(ask);
    const expected = whole.choices[0]?.message.tool_calls?.[0];
    const stream = await client().chat.completions.create({ ...ask, stream: true });
    let name = '';
    let text = '';
    let pieces = 0;
    let finish: string | null = null;
    for await (const { choices } of stream) {
      const part = choices[0]?.delta.tool_calls?.[0]?.function;
      name += part?.name ?? '';
      text += part?.arguments ?? '';
      if (part?.arguments) pieces += 1;
      finish = choices[0]?.finish_reason ?? finish;
    }
    expect(finish).toBe('tool_calls');
    expect(pieces).toBeGreaterThan(1);
    expect({ name, text }).toEqual(
      expected?.type === 'function' ? { name: expected.function.name, text: expected.function.arguments } : 'a function call',
    );
  });

  test('a response format with a JSON schema gives an instance of it', async () => {
    const schema = {
      type: 'object',
      properties: { river: { type: 'string' }, length_km: { type: 'integer' } },
      required: ['river', 'length_km'],
      additionalProperties: false,
    };
    const chat = await client().chat.completions.create({
      model: MODEL,
      messages: [...USER],
      response_format: { type: 'json_schema', json_schema: { name: 'river', schema, strict: true } },
    });
    expect(JSON.parse(chat.choices[0]?.message.content ?? '')).toEqual({ river: expect.any(String), length_km: expect.any(Number) });
  });

  test('the parse helper reads a structured answer by its zod schema', async () => {
    const River = z.object({ name: z.string(), tags: z.array(z.string()), navigable: z.boolean() });
    const chat = await client().chat.completions.parse({
      model: MODEL,
      messages: [...USER],
      response_format: zodResponseFormat(River, 'river'),
    });
    expect(River.safeParse(chat.choices[0]?.message.parsed).success).toBe(true);
  });

  test('embeddings are the same numbers as base64, the default of the SDK, and as floats', async () => {
    const packed = await client().embeddings.create({ model: MODEL, input: ['one river', 'two rivers'] });
    const plain = await client().embeddings.create({ model: MODEL, input: ['one river', 'two rivers'], encoding_format: 'float' });
    expect(packed.data).toHaveLength(2);
    expect(packed.data[0]!.embedding.length).toBeGreaterThan(8);
    for (const [at, { embedding }] of packed.data.entries()) {
      const floats = plain.data[at]!.embedding;
      expect(embedding).toHaveLength(floats.length);
      expect(Math.max(...embedding.map((value, i) => Math.abs(value - floats[i]!)))).toBeLessThan(1e-6);
    }
    expect(packed.data[0]!.embedding).not.toEqual(packed.data[1]!.embedding);
  });

  test('the responses API answers whole and streamed', async () => {
    const ask = { model: MODEL, input: 'Name a river.', max_output_tokens: 24 };
    const whole = await client().responses.create(ask);
    expect(whole.output_text).toMatch(/\w/);
    expect(whole.usage?.output_tokens).toBeLessThanOrEqual(24);
    const types: string[] = [];
    let text = '';
    for await (const event of await client().responses.create({ ...ask, stream: true })) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.completed');
    expect(text).toMatch(/\w/);
  });

  test('models are listed, and one whose id has a slash is found', async () => {
    const ids = (await all(client().models.list())).map(({ id }) => id);
    expect(ids).toEqual([MODEL]);
    const model = await client().models.retrieve(MODEL);
    expect(model).toMatchObject({ id: MODEL, object: 'model', owned_by: 'vllm', max_model_len: 8192 });
    expect((await client().models.retrieve(MODEL)).created).toBe(model.created);
  });

  test('breaking out of a stream frees the engine', async () => {
    const { data: stream, response } = await client()
      .chat.completions.create({ model: MODEL, messages: [...USER], stream: true, ...ENDLESS })
      .withResponse();
    let seen = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++seen === 3) break;
    }
    await idle(gateway);
    const id = response.headers.get('x-request-id') ?? '';
    expect(await endOf(gateway, id)).toMatchObject({ outcome: 'disconnected', phase: 'stream', status: 499 });
  });

  test('an AbortController frees the engine, before the first byte and after it', async () => {
    const late = new AbortController();
    const stream = await client().chat.completions.create(
      { model: MODEL, messages: [...USER], stream: true, ...ENDLESS },
      { signal: late.signal },
    );
    let seen = 0;
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content && ++seen === 2) late.abort();
    await idle(gateway);

    // Without streaming nothing comes before the end, so the engine is busy and the client has nothing yet.
    const early = new AbortController();
    const whole = client().chat.completions.create({ model: MODEL, messages: [...USER], ...ENDLESS }, { signal: early.signal });
    const outcome = whole.then(
      () => 'answered',
      (error: unknown) => (error instanceof OpenAI.APIUserAbortError ? 'aborted' : error),
    );
    await until(async () => (await gaugeOf(sim.url, 'num_requests_running')) === 1, 'the request at the engine');
    early.abort();
    expect(await outcome).toBe('aborted');
    await idle(gateway);
  });

  test('an unknown model is a NotFoundError with code, type and param', async () => {
    const error = await client()
      .chat.completions.create({ model: 'no-such-model', messages: [...USER] })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', type: 'invalid_request_error', param: 'model' });
    expect((error as InstanceType<typeof OpenAI.NotFoundError>).requestID).toMatch(/^[\w.-]+$/);
  });

  test('a value out of range is a BadRequestError that names its field, whoever found it', async () => {
    const bad = async (extra: object) =>
      client()
        .chat.completions.create({ model: MODEL, messages: [...USER], ...extra })
        .catch((thrown: unknown) => thrown);
    const ours = await bad({ n: 100_000 });
    expect(ours).toBeInstanceOf(OpenAI.BadRequestError);
    expect(ours).toMatchObject({ status: 400, code: 'invalid_value', type: 'invalid_request_error', param: 'n' });
    const theirs = await bad({ top_p: 7 });
    expect(theirs).toBeInstanceOf(OpenAI.BadRequestError);
    expect(theirs).toMatchObject({ status: 400, code: 'invalid_value', type: 'invalid_request_error', param: 'top_p' });
  });

  test('a prompt beyond the context is told with OpenAI’s code, though vLLM has none', async () => {
    const error = await client()
      .chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'river '.repeat(9_000) }], stream: true })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'context_length_exceeded', type: 'invalid_request_error' });
    expect((error as Error).message).toContain('8192');
  });

  test('an engine that fails in the middle of a stream is an error, not an end', async () => {
    await sim.fault({ fault: 'error-midstream', count: 1, after_tokens: 4 });
    const stream = await client().chat.completions.create({ model: MODEL, messages: [...USER], stream: true, ...ENDLESS });
    let text = '';
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    const error = await read().catch((thrown: unknown) => thrown);
    expect(text).not.toBe('');
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ type: 'server_error', code: 'upstream_error' });
  });

  test('the SDK comes back by itself after a 503, and then has its answer', async () => {
    await using narrow = await startTestGateway([], {
      workers: [{ url: sim.url, max_num_seqs: 1 }],
      admission: { max_queue: 0, headroom: 0 },
    });
    await narrow.gateway.firstReady;
    const holder = new AbortController();
    const held = await client({}, narrow.url).chat.completions.create(
      { model: MODEL, messages: [...USER], stream: true, ...ENDLESS },
      { signal: holder.signal },
    );
    const holding = all(held);
    const statuses: number[] = [];
    const retrying = client(
      {
        maxRetries: 2,
        fetch: async (input: string | URL | Request, init?: RequestInit) => {
          const response = await fetch(input, init);
          statuses.push(response.status);
          if (response.status === 503) holder.abort();
          return response;
        },
      },
      narrow.url,
    );
    const chat = await retrying.chat.completions.create({ model: MODEL, messages: [...USER], max_completion_tokens: 4 });
    await holding;
    expect(statuses).toEqual([503, 200]);
    expect(chat.usage?.completion_tokens).toBe(4);
    await idle(narrow);
  });

  test('an audio file is uploaded as it is read from disk', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-audio-'));
    try {
      const file = join(folder, 'speech.wav');
      await writeFile(file, Buffer.alloc(300_000, 'RIFF'));
      const heard = await client().audio.transcriptions.create({ file: createReadStream(file), model: MODEL });
      expect(heard.text).toContain('300000 bytes');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
