import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embed, embedMany, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from 'ai';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { until, type TestGateway } from '../support/gateway.ts';
import type { RunningSim } from '../support/sim.ts';
import { beforeSimulatedEngine, MODEL } from './sdk-scene.ts';
import { endsOf, engineIdle, gaugeOf, settled } from './settled.ts';

// Its word on what is deprecated is not ours to pass on.
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

let sim: RunningSim;
let gateway: TestGateway;

beforeSimulatedEngine((startedSim, startedGateway) => {
  sim = startedSim;
  gateway = startedGateway;
});

afterEach(async () => {
  await settled(gateway);
  await engineIdle(sim.url);
});

function provider(url = gateway.url) {
  return createOpenAICompatible({ name: 'headgate', baseURL: `${url}/v1`, includeUsage: true, supportsStructuredOutputs: true });
}

const chat = () => provider().chatModel(MODEL);
/** Never ends by itself within a test. */
const ENDLESS = { maxOutputTokens: 8_000, providerOptions: { headgate: { ignore_eos: true } } };

test('generateText gives text, a finish reason and usage', async () => {
  const { text, finishReason, usage } = await generateText({ model: chat(), prompt: 'Say something about rivers.', maxOutputTokens: 11 });
  expect(text).toMatch(/\w/);
  expect(finishReason).toBe('length');
  expect(usage.outputTokens).toBe(11);
});

test('streamText gives the text of generateText piece by piece, and the usage at its end', async () => {
  const ask = { prompt: 'Say something about rivers.', maxOutputTokens: 30, seed: 5 };
  const whole = await generateText({ model: chat(), ...ask });
  const stream = streamText({ model: chat(), ...ask });
  const pieces: string[] = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(whole.text);
  expect(await stream.finishReason).toBe(whole.finishReason);
  expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
});

test('a tool is called with arguments that fit it, and its result is talked about', async () => {
  const asked: unknown[] = [];
  const weather = tool({
    description: 'Weather of a city',
    inputSchema: z.object({ city: z.string(), days: z.number().int() }),
    execute: (input) => {
      asked.push(input);
      return { sky: 'clear' };
    },
  });
  const { text, steps } = await generateText({
    model: chat(),
    prompt: 'What is the weather?',
    tools: { weather },
    stopWhen: stepCountIs(3),
  });
  expect(asked).toEqual([{ city: expect.any(String), days: expect.any(Number) }]);
  expect(steps).toHaveLength(2);
  expect(text).toMatch(/\w/);
});

test('a tool is called from a stream too', async () => {
  const asked: unknown[] = [];
  const weather = tool({
    inputSchema: z.object({ city: z.string() }),
    execute: (input) => {
      asked.push(input);
      return 'clear';
    },
  });
  const stream = streamText({ model: chat(), prompt: 'What is the weather?', tools: { weather }, stopWhen: stepCountIs(3) });
  expect(await stream.text).toMatch(/\w/);
  expect(asked).toEqual([{ city: expect.any(String) }]);
});

const River = z.object({ name: z.string(), tags: z.array(z.string()), navigable: z.boolean() });

test('generateObject and Output.object give an instance of the schema', async () => {
  const { object } = await generateObject({ model: chat(), schema: River, prompt: 'Describe a river.' });
  expect(River.safeParse(object).success).toBe(true);
  const { output } = await generateText({ model: chat(), output: Output.object({ schema: River }), prompt: 'Describe a river.' });
  expect(River.safeParse(output).success).toBe(true);
});

test('streamObject ends with an instance of the schema', async () => {
  const stream = streamObject({ model: chat(), schema: River, prompt: 'Describe a river.' });
  for await (const part of stream.partialObjectStream) expect(part).toBeTypeOf('object');
  expect(River.safeParse(await stream.object).success).toBe(true);
});

test('embed and embedMany give vectors', async () => {
  const model = provider().embeddingModel(MODEL);
  const { embedding } = await embed({ model, value: 'one river' });
  const { embeddings } = await embedMany({ model, values: ['one river', 'two rivers'] });
  expect(embedding.length).toBeGreaterThan(8);
  expect(embeddings[0]).toEqual(embedding);
  expect(embeddings[1]).not.toEqual(embedding);
});

test('aborting a stream frees the engine', async () => {
  const before = endsOf(gateway).length;
  const controller = new AbortController();
  const stream = streamText({ model: chat(), prompt: 'Talk.', abortSignal: controller.signal, ...ENDLESS });
  const kinds: string[] = [];
  for await (const part of stream.fullStream) {
    kinds.push(part.type);
    if (part.type === 'text-delta') controller.abort();
  }
  expect(kinds).toContain('abort');
  expect(kinds).not.toContain('finish');
  await engineIdle(sim.url);
  await until(() => endsOf(gateway).length === before + 1, 'the end of the request in the log');
  expect(endsOf(gateway).at(-1)).toMatchObject({ outcome: 'disconnected', phase: 'stream' });
});

test('aborting before there is an answer frees the engine', async () => {
  const controller = new AbortController();
  const asked = generateText({ model: chat(), prompt: 'Talk.', abortSignal: controller.signal, ...ENDLESS });
  const outcome = asked.then(
    () => 'answered',
    (error: Error) => error.name,
  );
  await until(async () => (await gaugeOf(sim.url, 'num_requests_running')) === 1, 'the request at the engine');
  controller.abort();
  expect(await outcome).toBe('AbortError');
  await engineIdle(sim.url);
});

test('an engine that fails in the middle of a stream surfaces as an error', async () => {
  await sim.fault({ fault: 'reset', count: 1, after_tokens: 4 });
  const errors: unknown[] = [];
  const stream = streamText({ model: chat(), prompt: 'Talk.', onError: ({ error }) => void errors.push(error), ...ENDLESS });
  const kinds: string[] = [];
  let finish: string | undefined;
  for await (const part of stream.fullStream) {
    kinds.push(part.type);
    if (part.type === 'finish') finish = part.finishReason;
  }
  expect(kinds).toContain('text-delta');
  expect(kinds).toContain('error');
  expect(finish).toBe('error');
  expect(JSON.stringify(errors)).toContain('upstream_disconnected');
});

test('an unknown model is an APICallError that says so and is not retried', async () => {
  const error = await generateText({ model: provider().chatModel('no-such-model'), prompt: 'Hello.' }).catch((thrown: unknown) => thrown);
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 404, isRetryable: false, data: { error: { code: 'model_not_found', param: 'model' } } });
});
