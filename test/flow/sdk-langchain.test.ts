import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { TestGateway } from '../support/gateway.ts';
import type { RunningSim } from '../support/sim.ts';
import { beforeSimulatedEngine, MODEL } from './sdk-scene.ts';
import { engineIdle, settled } from './settled.ts';

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

function configuration() {
  return { baseURL: `${gateway.url}/v1` };
}

function chat(fields: Partial<ConstructorParameters<typeof ChatOpenAI>[0] & object> = {}): ChatOpenAI {
  return new ChatOpenAI({ model: MODEL, apiKey: 'not-needed', maxRetries: 0, maxTokens: 30, configuration: configuration(), ...fields });
}

/** Never ends by itself within a test. */
const ENDLESS = { maxTokens: 8_000, modelKwargs: { ignore_eos: true } };

/** The types of the package lose this field. */
function outputTokens(message: object): number {
  return (message as { usage_metadata?: { output_tokens: number } }).usage_metadata?.output_tokens ?? 0;
}

test('invoke gives a message with its usage', async () => {
  const message = await chat({ maxTokens: 9 }).invoke('Say something about rivers.');
  expect(message.text).toMatch(/\w/);
  expect(outputTokens(message)).toBe(9);
  expect(message.response_metadata['finish_reason']).toBe('length');
});

test('stream gives the text of invoke in pieces, and the usage at its end', async () => {
  const model = chat({ modelKwargs: { seed: 5 } });
  const whole = await model.invoke('Say something about rivers.');
  const pieces: string[] = [];
  let counted = 0;
  for await (const chunk of await model.stream('Say something about rivers.')) {
    if (chunk.text !== '') pieces.push(chunk.text);
    counted += outputTokens(chunk);
  }
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(whole.text);
  expect(counted).toBe(outputTokens(whole));
});

const weather = tool(() => 'clear', {
  name: 'weather',
  description: 'Weather of a city',
  schema: z.object({ city: z.string(), days: z.number().int() }),
});

test('a bound tool is called with arguments that fit it, and its answer is taken', async () => {
  const model = chat({ maxTokens: 200 }).bindTools([weather]);
  const question = new HumanMessage('What is the weather?');
  const called = await model.invoke([question]);
  expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: expect.any(String), days: expect.any(Number) } }]);
  const answer = new ToolMessage({ tool_call_id: called.tool_calls![0]!.id!, content: 'clear' });
  const final = await model.invoke([question, called, answer]);
  expect(final.tool_calls).toEqual([]);
  expect(final.text).toMatch(/\w/);
});

test('a bound tool is called from a stream', async () => {
  const chunks = await chat({ maxTokens: 200 }).bindTools([weather]).stream('What is the weather?');
  let whole;
  for await (const chunk of chunks) whole = whole === undefined ? chunk : whole.concat(chunk);
  expect(whole?.tool_calls).toMatchObject([{ name: 'weather', args: { city: expect.any(String), days: expect.any(Number) } }]);
});

test.each(['jsonSchema', 'functionCalling'] as const)('withStructuredOutput gives an instance of the schema by %s', async (method) => {
  const River = z.object({ name: z.string(), tags: z.array(z.string()), navigable: z.boolean() });
  const river = await chat({ maxTokens: 500 }).withStructuredOutput(River, { name: 'river', method }).invoke('Describe a river.');
  expect(River.safeParse(river).success).toBe(true);
});

test('embeddings of a query and of documents are the same numbers', async () => {
  const embeddings = new OpenAIEmbeddings({ model: MODEL, apiKey: 'not-needed', maxRetries: 0, configuration: configuration() });
  const query = await embeddings.embedQuery('one river');
  const documents = await embeddings.embedDocuments(['one river', 'two rivers']);
  expect(query.length).toBeGreaterThan(8);
  expect(documents).toHaveLength(2);
  expect(documents[0]).toEqual(query);
  expect(documents[1]).not.toEqual(query);
});

test('a refused request throws with its status and code', async () => {
  const unknown = await chat({ model: 'no-such-model' })
    .invoke('Hello.')
    .catch((thrown: unknown) => thrown);
  expect(unknown).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
  const tooLong = await chat()
    .invoke('river '.repeat(9_000))
    .catch((thrown: unknown) => thrown);
  // By this class an agent knows that it has to shorten its history.
  expect(tooLong).toMatchObject({ name: 'ContextOverflowError', cause: { status: 400, code: 'context_length_exceeded' } });
});

test('an engine that fails in the middle of a stream throws after the text that came', async () => {
  await sim.fault({ fault: 'error-midstream', count: 1, after_tokens: 4 });
  let text = '';
  const read = async () => {
    for await (const chunk of await chat(ENDLESS).stream('Talk.')) text += chunk.text;
  };
  const error = await read().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(text).not.toBe('');
  expect(error).toMatchObject({ type: 'server_error', code: 'upstream_error' });
});

test('leaving a stream frees the engine', async () => {
  for await (const chunk of await chat(ENDLESS).stream('Talk.')) if (chunk.text !== '') break;
  await settled(gateway);
  await engineIdle(sim.url);
  expect(AIMessage.isInstance(await chat().invoke('And now?'))).toBe(true);
});
