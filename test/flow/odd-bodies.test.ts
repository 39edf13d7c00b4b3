import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RELAYED_ROUTES } from '../../gateway/http/routes.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { histories } from '../support/histories.ts';
import { startSim, type RunningSim } from '../support/sim.ts';
import { ask } from './asking.ts';
import { endsOf, settled, statsOf } from './settled.ts';

// Whatever clients send, in whatever field of whatever route: it is answered, and no worker is judged by it.

const MODEL = 'sim-1B';
const CALLS = histories(1_000);
const MESSAGES = [{ role: 'user', content: 'Name a river.' }];
const TOOL = { type: 'function', function: { name: 'abort', description: '"finish_reason": "abort"', parameters: { type: 'object' } } };

/** A good body for every route, and fields that are of weight there. */
const ROUTES: Readonly<Record<string, readonly [good: object, fields: readonly string[]]>> = {
  '/v1/chat/completions': [
    { messages: MESSAGES, max_tokens: 4 },
    ['messages', 'tools', 'tool_choice', 'response_format', 'structured_outputs', 'stream_options', 'logit_bias', 'top_logprobs'],
  ],
  '/v1/completions': [{ prompt: 'A river', max_tokens: 4 }, ['prompt', 'echo', 'suffix', 'best_of', 'logprobs', 'prompt_logprobs']],
  '/v1/embeddings': [{ input: 'A river' }, ['input', 'dimensions', 'encoding_format', 'truncate_prompt_tokens']],
  '/v1/responses': [
    { input: 'Name a river.', max_output_tokens: 4 },
    ['input', 'instructions', 'previous_response_id', 'background', 'store', 'text', 'reasoning', 'include'],
  ],
  '/v1/messages': [{ messages: MESSAGES, max_tokens: 4 }, ['messages', 'system', 'tools', 'thinking', 'output_config', 'stop_sequences']],
  '/v1/messages/count_tokens': [{ messages: MESSAGES }, ['messages', 'system', 'tools']],
  '/v1/score': [{ queries: 'river', documents: ['The Elbe'] }, ['queries', 'documents', 'text_1', 'text_2']],
  '/score': [{ queries: 'river', documents: ['The Elbe'] }, ['queries', 'documents']],
  '/v1/rerank': [{ query: 'river', documents: ['The Elbe', 'A hill'] }, ['query', 'documents', 'top_n']],
  '/rerank': [{ query: 'river', documents: ['The Elbe', 'A hill'] }, ['query', 'documents']],
  '/v2/rerank': [{ query: 'river', documents: ['The Elbe', 'A hill'] }, ['query', 'documents']],
  '/pooling': [{ input: 'A river' }, ['input', 'task', 'encoding_format', 'embed_dtype']],
  '/classify': [{ input: 'A river' }, ['input', 'messages', 'activation']],
  '/tokenize': [{ prompt: 'A river' }, ['prompt', 'messages', 'add_special_tokens', 'return_token_strs']],
  '/detokenize': [{ tokens: [72, 105] }, ['tokens']],
};
/** Fields that mean the same wherever they are known. */
const COMMON = [
  'model',
  'stream',
  'max_tokens',
  'n',
  'temperature',
  'top_p',
  'seed',
  'stop',
  'min_tokens',
  'user',
  'metadata',
  'priority',
  'xyz',
];

/** What has been taken for a worker's failure, what vLLM refuses in its own ways, and what is only odd. */
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 0.5, 1e308, 2 ** 53, '', 'a', '\u0000', '\ud800', '\u202e', [], {}, [[]], [null], [{}]],
  ...['abort', 'data: [DONE]\n\n', '"finish_reason":"abort"', 'event: error\ndata: {}\n\n', 'x'.repeat(70_000)],
  { finish_reason: 'abort' },
  { choices: [{ finish_reason: 'abort' }] },
  { error: { message: 'x', code: 500 } },
  { type: 'error', error: { type: 'server_error' } },
  { type: 'json_schema', json_schema: { name: 's', schema: { type: 'objekt' } } },
  { type: 'json_object' },
  { json: { type: 'objekt' } },
  { regex: '(' },
  { grammar: 'root ::=' },
  { include_usage: true },
  { 999_999_999: 5 },
  [TOOL],
  [{ role: 'user', content: null }],
  [{ role: 'user', content: [{ type: 'text', text: '"finish_reason": "abort"' }] }],
  [{ role: 'tool', tool_call_id: 'x', content: 'data: {"error":{"code":500}}' }],
  [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }],
  [1, 2, 3],
  [-1, 999_999_999],
  Array.from({ length: 300 }, () => 'x'),
];

const oddValue = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ODD_VALUES) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

interface OddCall {
  readonly path: string;
  readonly body: string;
  /** The client leaves as soon as it has the head of the answer. */
  readonly leaves: boolean;
}

const oddCall: fc.Arbitrary<OddCall> = fc.constantFrom(...Object.keys(ROUTES)).chain((path) => {
  const [good, fields] = ROUTES[path]!;
  const field = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...fields) }, { weight: 1, arbitrary: fc.constantFrom(...COMMON) });
  const changes = fc.array(fc.tuple(field, oddValue), { minLength: 1, maxLength: 3 });
  const body = fc
    .tuple(changes, fc.boolean())
    .map(([changed, stream]) => JSON.stringify({ ...good, ...(stream ? { stream } : {}), ...Object.fromEntries(changed) }));
  const broken = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.json({ maxDepth: 2 }),
    body.map((text) => text.slice(0, -5)),
  );
  return fc.record({
    path: fc.constant(path),
    body: fc.oneof({ weight: 12, arbitrary: body }, { weight: 1, arbitrary: broken }),
    leaves: fc.integer({ min: 0, max: 15 }).map((n) => n === 0),
  });
});

let sim: RunningSim;
let gateway: TestGateway;

beforeAll(async () => {
  sim = await startSim({ model: MODEL, env: { SIM_SPEED: '0' } });
  gateway = await startTestGateway([sim.url]);
  await gateway.gateway.firstReady;
}, 180_000);

afterAll(async () => {
  await gateway?.stop();
  await sim?.stop();
});

/** Those that the simulation does not have. */
const NOT_SIMULATED = /\/(?:batch|render)$|^\/v2\/embed$|^\/generative_scoring$/;

test('every route of JSON is among those that are tried', () => {
  const multipart = RELAYED_ROUTES.filter(({ path }) => path.startsWith('/v1/audio/')).map(({ path }) => path);
  expect([...Object.keys(ROUTES), ...multipart].toSorted()).toEqual(
    RELAYED_ROUTES.map(({ path }) => path)
      .filter((path) => !NOT_SIMULATED.test(path))
      .toSorted(),
  );
});

test('odd bodies on every kind of route move no breaker', async () => {
  const goodCall = { model: MODEL, messages: MESSAGES, max_tokens: 4 };
  // A worker that was never asked has no breaker to look at.
  expect((await ask(gateway.url, goodCall)).status).toBe(200);
  await fc.assert(
    fc.asyncProperty(oddCall, async ({ path, body, leaves }) => {
      const aborter = new AbortController();
      const response = await ask(gateway.url, body, { path, signal: aborter.signal });
      if (leaves) return aborter.abort();
      const text = await response.text();
      expect(response.status, text).toBeLessThan(500);
      expect(text).not.toMatch(/upstream_(error|disconnected)/);
      const [breaker] = Object.values((await statsOf(gateway)).breakers);
      expect(breaker).toMatchObject({ state: 'closed', consecutive_failures: 0 });
    }),
    { numRuns: CALLS },
  );
  await settled(gateway);
  expect(gateway.log.filter(({ event }) => event === 'breaker')).toEqual([]);
  expect(endsOf(gateway).length).toBeGreaterThanOrEqual(CALLS);
  const good = await ask(gateway.url, goodCall);
  expect(good.status).toBe(200);
});
