import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type MortalVllm, startMortalVllm, TEXT, TOKEN_COUNT, type Death } from '../support/mortal-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat, dataOf, errorAtEnd } from './asking.ts';
import { endOf, statsOf } from './settled.ts';

// A stream whose worker dies at any point goes on at another, and its client cannot tell: the text is that of an unbroken one, under one
// name, with one end.

let workers: readonly [MortalVllm, MortalVllm, MortalVllm];
let gateway: TestGateway;
let calls = 0;

beforeAll(async () => {
  workers = [await startMortalVllm(), await startMortalVllm(), await startMortalVllm()];
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    {
      resume: { enabled: true },
      // Every one is asked however often they die here.
      circuit_breaker: { failures: 10_000, min_requests: 100_000 },
      load_balancer: { policy: 'round_robin', slow_start_ms: 0 },
      single_flight: { enabled: false },
    },
  );
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'all workers ready');
});

afterAll(async () => {
  await gateway.stop();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
});

beforeEach(() => {
  for (const { fate } of workers) Object.assign(fate, { after: Infinity, how: 'reset', deaths: { left: Infinity }, each: 1 });
});

interface Chunk {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly choices: {
    readonly text?: string;
    readonly delta?: { readonly role?: string; readonly content?: string };
    readonly finish_reason: string | null;
    readonly token_ids?: unknown;
    readonly prompt_token_ids?: unknown;
  }[];
  readonly prompt_token_ids?: unknown;
  readonly token_ids?: unknown;
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number };
}

/** Asks for a stream. The name differs each time, and so does the body: workers die of none of them. */
async function stream(path: string, body: object): Promise<{ id: string; text: string }> {
  const id = `resumed-${calls++}`;
  const response = await ask(gateway.url, { user: id, ...body, stream: true }, { path, headers: { 'x-request-id': id } });
  expect(response.status).toBe(200);
  return { id, text: await response.text() };
}

/** The same, and the worker that is asked dies after so many events. */
async function brokenStream(
  path: string,
  body: object,
  fate: { readonly after: number; readonly how?: Death },
): Promise<{ id: string; text: string }> {
  const deaths = { left: 1 };
  for (const { fate: own } of workers) Object.assign(own, { deaths, ...fate });
  return stream(path, body);
}

/** What a client makes of a stream, which is held to be one whole answer. */
function whole(text: string): { said: string; finish: string; usage: Chunk['usage']; resumed: number } {
  const data = dataOf(text);
  expect(data.at(-1)).toBe('[DONE]');
  expect(data.filter((one) => one === '[DONE]')).toHaveLength(1);
  const chunks = data.slice(0, -1).map((one) => JSON.parse(one) as Chunk);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(new Set(chunks.map(({ created }) => created)).size).toBe(1);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const finishes = choices.flatMap(({ finish_reason: finish }) => finish ?? []);
  expect(finishes).toHaveLength(1);
  expect(choices.at(-1)!.finish_reason).toBe(finishes[0]);
  const roles = choices.filter(({ delta }) => delta?.role !== undefined);
  expect(roles).toHaveLength(choices[0]!.delta === undefined ? 0 : 1);
  if (roles.length > 0) expect(choices[0]).toBe(roles[0]);
  for (const part of [...chunks, ...choices]) expect([part.token_ids ?? null, part.prompt_token_ids ?? null]).toEqual([null, null]);
  const usages = chunks.flatMap(({ usage }) => usage ?? []);
  expect(usages.length).toBeLessThanOrEqual(1);
  return {
    said: choices.map(({ text: plain, delta }) => plain ?? delta?.content ?? '').join(''),
    finish: finishes[0]!,
    usage: usages[0],
    resumed: text.split('\n').filter((line) => line.startsWith(': resumed ')).length,
  };
}

const COMPLETION = ['/v1/completions', { model: 'm', prompt: 'hi', max_tokens: 64 }] as const;
const CHAT = ['/v1/chat/completions', chat()] as const;
const USAGE = { stream_options: { include_usage: true } };

describe.each([
  ['a completion', ...COMPLETION, 0],
  ['a chat', ...CHAT, 1],
] as const)('%s', (_, path, body, heads) => {
  test('that nothing happens to is as the worker wrote it', async () => {
    const { id, text } = await stream(path, { ...body, ...USAGE });
    expect(whole(text)).toEqual({
      said: TEXT,
      finish: 'stop',
      usage: { prompt_tokens: 3, completion_tokens: TOKEN_COUNT, total_tokens: TOKEN_COUNT + 3 },
      resumed: 0,
    });
    expect(await endOf(gateway, id)).toMatchObject({ input_tokens: 3, output_tokens: TOKEN_COUNT, attempts: 1 });
  });

  test.each<Death>(['reset', 'engine-death', 'abort', 'end'])('goes on wherever its worker dies (%s)', async (how) => {
    // Before the first event nothing is resumed: it is asked again, as ever.
    for (let after = 1; after < TOKEN_COUNT + heads; after++) {
      const { id, text } = await brokenStream(path, { ...body, ...USAGE }, { after, how });
      const usage = { prompt_tokens: 3, completion_tokens: TOKEN_COUNT, total_tokens: TOKEN_COUNT + 3 };
      expect(whole(text), `${how} after ${after}`).toEqual({ said: TEXT, finish: 'stop', usage, resumed: 1 });
      expect(await endOf(gateway, id)).toMatchObject({
        ...{ outcome: 'complete', attempts: 2, resumes: 1, input_tokens: 3, output_tokens: TOKEN_COUNT },
      });
    }
  });

  test('goes on twice, and not a third time', async () => {
    // Without dying, or the request would be suspected of killing them.
    for (const { fate } of workers) Object.assign(fate, { after: 3, how: 'abort' });
    const { id, text } = await stream(path, body);
    expect(errorAtEnd(text)).toMatchObject({ code: 'upstream_error' });
    expect(text.split('\n').filter((line) => line.startsWith(': resumed '))).toHaveLength(2);
    expect(await endOf(gateway, id)).toMatchObject({ outcome: 'broken', attempts: 3, resumes: 2, not_resumed: 'most_resumes' });
  });

  test('has as many tokens as it may, in all', async () => {
    for (const most of [5, 6, 9]) {
      const { text } = await brokenStream(path, { ...body, max_tokens: most, ...USAGE }, { after: 4 });
      expect(whole(text)).toMatchObject({ finish: 'length', usage: { prompt_tokens: 3, completion_tokens: most } });
    }
  });

  test('a client that does not ask for the usage gets none, and its tokens are counted', async () => {
    const { id, text } = await brokenStream(path, body, { after: 6 });
    expect(whole(text)).toMatchObject({ said: TEXT, usage: undefined });
    expect(await endOf(gateway, id)).toMatchObject({ input_tokens: 3, output_tokens: TOKEN_COUNT });
  });
});
