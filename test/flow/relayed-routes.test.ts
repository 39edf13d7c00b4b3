import { afterAll, beforeAll, expect, test } from 'vitest';
import { RELAYED_ROUTES } from '../../gateway/http/routes.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startSim, type RunningSim } from '../support/sim.ts';
import { ask } from './asking.ts';
import { endOf, engineIdle, settled } from './settled.ts';

const MODEL = 'sim-1B';
const MESSAGES = [{ role: 'user', content: 'Name a river.' }];
const RANKED = { query: 'river', documents: ['The Elbe', 'A hill'] };

/** A body for every JSON endpoint, and the field that its answer must have. */
const BODIES: Readonly<Record<string, readonly [body: object, answered: string]>> = {
  '/v1/chat/completions': [{ messages: MESSAGES, max_tokens: 4 }, 'choices'],
  '/v1/completions': [{ prompt: 'A river', max_tokens: 4 }, 'choices'],
  '/v1/embeddings': [{ input: 'A river' }, 'data'],
  '/v1/responses': [{ input: 'Name a river.', max_output_tokens: 4 }, 'output'],
  '/v1/messages': [{ messages: MESSAGES, max_tokens: 4 }, 'content'],
  '/v1/messages/count_tokens': [{ messages: MESSAGES }, 'input_tokens'],
  '/v1/score': [{ queries: 'river', documents: ['The Elbe'] }, 'data'],
  '/score': [{ queries: 'river', documents: ['The Elbe'] }, 'data'],
  '/v1/rerank': [RANKED, 'results'],
  '/rerank': [RANKED, 'results'],
  '/v2/rerank': [RANKED, 'results'],
  '/pooling': [{ input: 'A river' }, 'data'],
  '/classify': [{ input: 'A river' }, 'data'],
  '/tokenize': [{ prompt: 'A river' }, 'tokens'],
  '/detokenize': [{ tokens: [72, 105] }, 'prompt'],
};

/** Those that the simulation does not have. */
const NOT_SIMULATED = [
  '/v1/chat/completions/batch',
  '/v2/embed',
  '/generative_scoring',
  '/v1/chat/completions/render',
  '/v1/completions/render',
  '/v1/responses/render',
  '/v1/messages/render',
];

let sim: RunningSim;
let gateway: TestGateway;

beforeAll(async () => {
  sim = await startSim({ model: MODEL });
  gateway = await startTestGateway([sim.url], { models: [{ id: MODEL, aliases: ['gpt-4'] }] });
  await gateway.gateway.firstReady;
}, 180_000);

afterAll(async () => {
  await gateway?.stop();
  await sim?.stop();
});

test('these are the endpoints that are relayed, and no others', () => {
  expect(RELAYED_ROUTES.map(({ path }) => path).toSorted()).toEqual(
    [...Object.keys(BODIES), ...NOT_SIMULATED, '/v1/audio/transcriptions', '/v1/audio/translations'].toSorted(),
  );
});

test.each(Object.entries(BODIES))(
  '%s is answered by the worker, by the model’s id, by an alias and by default',
  async (path, [body, answered]) => {
    for (const named of [{ model: MODEL }, { model: 'gpt-4' }, {}]) {
      const id = `${path.replaceAll('/', '.')}-${Object.values(named)[0] ?? 'default'}`;
      const response = await ask(gateway.url, { ...named, ...body }, { path, headers: { 'x-request-id': id } });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-headgate-model')).toBe(MODEL);
      expect(response.headers.get('x-headgate-worker')).toBe(new URL(sim.url).host);
      expect(await response.json()).toHaveProperty(answered);
      expect(await endOf(gateway, id)).toMatchObject({ route: path, status: 200, outcome: 'complete' });
    }
    await settled(gateway);
    await engineIdle(sim.url);
  },
);

test.each(['/v1/audio/transcriptions', '/v1/audio/translations'])(
  '%s is answered by the worker, by the model’s id, by an alias and by default',
  async (path) => {
    for (const model of [MODEL, 'gpt-4', null]) {
      const form = new FormData();
      form.set('file', new Blob([new Uint8Array(100_000)]), 'speech.wav');
      if (model !== null) form.set('model', model);
      const response = await fetch(`${gateway.url}${path}`, { method: 'POST', body: form });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ text: expect.stringContaining('100000 bytes') });
    }
    await settled(gateway);
  },
);

test.each(['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages'])('%s streams to its own end', async (path) => {
  const [body] = BODIES[path]!;
  const response = await ask(
    gateway.url,
    { model: MODEL, stream: true, ...body },
    { path, headers: { 'x-request-id': `stream${path.replaceAll('/', '.')}` } },
  );
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = (await response.text()).split('\n\n');
  expect(events.at(-1)).toBe('');
  const last = { '/v1/responses': /^event: response\.completed\n/, '/v1/messages': /^event: message_stop\n/ }[path] ?? /^data: \[DONE\]$/;
  expect(events.at(-2)).toMatch(last);
  expect(await endOf(gateway, `stream${path.replaceAll('/', '.')}`)).toMatchObject({
    outcome: 'complete',
    stream: true,
    ttft_ms: expect.any(Number),
  });
  await settled(gateway);
});
