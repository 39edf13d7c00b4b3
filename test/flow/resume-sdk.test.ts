import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { streamText } from 'ai';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type MortalVllm, startMortalVllm, TEXT, TOKEN_COUNT } from '../support/mortal-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { statsOf } from './settled.ts';

// What clients make of a stream that went on at another worker: one whole answer.

let workers: readonly [MortalVllm, MortalVllm];
let gateway: TestGateway;

beforeAll(async () => {
  workers = [await startMortalVllm(), await startMortalVllm()];
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    { resume: { enabled: true }, load_balancer: { policy: 'round_robin', slow_start_ms: 0 }, single_flight: { enabled: false } },
  );
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
});

afterAll(async () => {
  await gateway.stop();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
});

/** The next stream is broken once. */
function breakOne(): void {
  const deaths = { left: 1 };
  for (const { fate } of workers) Object.assign(fate, { after: 7, how: 'abort', deaths });
}

beforeEach(breakOne);

async function isResumed(): Promise<void> {
  await until(() => gateway.log.some(({ event, resumes }) => event === 'request.end' && resumes === 1), 'a stream that went on');
  gateway.log.length = 0;
}

const base = (): { baseURL: string; apiKey: string } => ({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });

test.each([
  ['openai', OpenAI],
  ['openai-6', OpenAI6],
] as const)('%s', async (_, Client) => {
  const client = new Client({ ...base(), maxRetries: 0 }) as OpenAI;
  const chat = await client.chat.completions.create({
    ...{ model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true, stream_options: { include_usage: true } },
  });
  let text = '';
  const [ids, reasons] = [new Set<string>(), [] as string[]];
  let tokens = 0;
  for await (const { id, choices, usage } of chat) {
    ids.add(id);
    text += choices[0]?.delta.content ?? '';
    if (choices[0]?.finish_reason) reasons.push(choices[0].finish_reason);
    tokens += usage?.completion_tokens ?? 0;
  }
  expect([text, ids.size, reasons, tokens]).toEqual([TEXT, 1, ['stop'], TOKEN_COUNT]);
  await isResumed();
  breakOne();
  const completion = await client.completions.create({ model: 'm', prompt: 'hi', max_tokens: 99, stream: true });
  text = '';
  for await (const { choices } of completion) text += choices[0]?.text ?? '';
  expect(text).toBe(TEXT);
  await isResumed();
});

test('ai, with @ai-sdk/openai-compatible', async () => {
  const provider = createOpenAICompatible({ name: 'headgate', ...base() });
  const result = streamText({ model: provider('m'), prompt: 'hi', maxRetries: 0 });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  expect(text).toBe(TEXT);
  expect(await result.finishReason).toBe('stop');
  await isResumed();
});

test('@langchain/openai', async () => {
  const model = new ChatOpenAI({ model: 'm', apiKey: 'none', maxRetries: 0, configuration: { baseURL: `${gateway.url}/v1` } });
  let text = '';
  for await (const chunk of await model.stream([new HumanMessage('hi')])) text += String(chunk.content);
  expect(text).toBe(TEXT);
  await isResumed();
});
