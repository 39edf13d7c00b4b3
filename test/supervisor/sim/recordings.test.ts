import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRecording, rawJson, rawRequest } from '../../support/raw-http.ts';
import type { RawAnswer } from '../../support/raw-http.ts';
import { startSim } from '../../support/sim.ts';
import type { RunningSim } from '../../support/sim.ts';

const FOLDER = fileURLToPath(new URL('../../../../shared/vllm-recordings/', import.meta.url));
const present = existsSync(FOLDER);
/** Without the recordings the tests are skipped, and their names say why. */
const absent = present ? '' : ' (skipped: the recordings are not in ../shared/vllm-recordings)';

function recording(name: string): RawAnswer {
  return parseRecording(readFileSync(`${FOLDER}${name}`, 'utf8'));
}

/** Keys in their order and the type of every value; texts and numbers do not matter. */
function shapeOf(value: unknown): unknown {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === 'object') return Object.entries(value).map(([key, item]) => [key, shapeOf(item)]);
  return typeof value;
}

/** Each event of a stream by its shape; `[DONE]` as it is. */
function eventShapes(body: string): string[] {
  const events = body.split('\n\n').filter((event) => event !== '');
  return events.map((event) => {
    expect(event.startsWith('data: ')).toBe(true);
    const data = event.slice('data: '.length);
    return data === '[DONE]' ? data : JSON.stringify(shapeOf(JSON.parse(data)));
  });
}

/** The same with repeats of one shape after each other taken as one: how many tokens there were does not matter. */
function pattern(body: string): string[] {
  return eventShapes(body).filter((shape, at, all) => shape !== all[at - 1]);
}

function headerNames(answer: RawAnswer): string[] {
  return answer.headers.map(([name]) => name);
}

function header(answer: RawAnswer, name: string): string | undefined {
  return answer.headers.find(([key]) => key === name)?.[1];
}

/** Status line, header names in their order, and the headers whose values are fixed. */
function expectSameHead(actual: RawAnswer, recorded: RawAnswer): void {
  expect(actual.status).toBe(recorded.status);
  expect(actual.reason).toBe(recorded.reason);
  expect(headerNames(actual)).toEqual(headerNames(recorded));
  for (const name of ['server', 'content-type', 'vary', 'transfer-encoding', 'allow'])
    expect(header(actual, name)).toBe(header(recorded, name));
}

function expectOneChunkPerEvent(answer: RawAnswer): void {
  expect(answer.chunks.length).toBeGreaterThan(0);
  for (const chunk of answer.chunks) expect(chunk).toMatch(/^data: [^\n]+\n\n$/);
}

const MESSAGES = [{ role: 'user', content: 'Say hello to the world' }];
const CHAT = { model: 'tiny', messages: MESSAGES, max_tokens: 3 };
const CHAT_PATH = '/v1/chat/completions';

describe.skipIf(!present)(`the simulated engine answers in the shape of the recordings of vLLM${absent}`, () => {
  let sim: RunningSim;
  beforeAll(async () => {
    sim = await startSim({ model: 'tiny', args: ['--max-model-len', '256'] });
  });
  afterAll(() => sim.stop());

  test.each([
    ['chat.http', CHAT_PATH, CHAT],
    ['chat-batch.http', `${CHAT_PATH}/batch`, { ...CHAT, messages: [MESSAGES, MESSAGES] }],
    ['completions-multi-prompt.http', '/v1/completions', { model: 'tiny', prompt: ['a', 'b'], max_tokens: 3 }],
  ])('%s: the same head, keys in the same order, nulls where vLLM has them', async (file, path, body) => {
    const recorded = recording(file);
    const actual = await rawJson(sim.port, path, body);
    expectSameHead(actual, recorded);
    expect(shapeOf(JSON.parse(actual.body))).toEqual(shapeOf(JSON.parse(recorded.body)));
  });

  test.each([
    ['chat-stream.http', CHAT_PATH, { ...CHAT, stream: true }],
    ['chat-stream-usage.http', CHAT_PATH, { ...CHAT, stream: true, stream_options: { include_usage: true } }],
    [
      'chat-stream-usage-continuous.http',
      CHAT_PATH,
      { ...CHAT, max_tokens: 2, stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } },
    ],
    ['chat-stream-n2.http', CHAT_PATH, { ...CHAT, max_tokens: 1, n: 2, stream: true }],
    [
      'completions-multi-prompt-stream.http',
      '/v1/completions',
      { prompt: ['a', 'b'], max_tokens: 2, stream: true, stream_options: { include_usage: true } },
    ],
  ])('%s: the same events, one HTTP chunk each', async (file, path, body) => {
    const recorded = recording(file);
    const actual = await rawJson(sim.port, path, body);
    expectSameHead(actual, recorded);
    expect(eventShapes(actual.body)).toEqual(eventShapes(recorded.body));
    expectOneChunkPerEvent(actual);
  });

  test('chat-stream-stop.http: text that may begin a stop string is held back, and the stop string is named', async () => {
    const recorded = recording('chat-stream-stop.http');
    const actual = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 20, stream: true, stop: ['simulated'] });
    expectSameHead(actual, recorded);
    expect(pattern(actual.body)).toEqual(pattern(recorded.body));
    expect(actual.body).toContain('"stop_reason":"simulated"');
    const text = [...actual.body.matchAll(/"delta":\{"content":"([^"]*)"/g)].map((match) => match[1]).join('');
    expect(text).toBe('This is ');
  });

  test('chat-abort.http: an aborted request is a 200 whose finish_reason says so', async () => {
    await sim.fault({ fault: 'abort', after_tokens: 2 });
    const recorded = recording('chat-abort.http');
    const actual = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 20 });
    expectSameHead(actual, recorded);
    expect(shapeOf(JSON.parse(actual.body))).toEqual(shapeOf(JSON.parse(recorded.body)));
    expect(actual.body).toContain('"finish_reason":"abort"');
  });

  test('chat-stream-abort.http: an aborted stream says so with its last token', async () => {
    await sim.fault({ fault: 'abort', after_tokens: 2 });
    const recorded = recording('chat-stream-abort.http');
    const actual = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 20, stream: true });
    expect(eventShapes(actual.body)).toEqual(eventShapes(recorded.body));
    expect(actual.body).toContain('"finish_reason":"abort"');
  });

  test('chat-stream-midstream-error.http: an error in a stream is an event of its own, and [DONE] follows', async () => {
    await sim.fault({ fault: 'error-midstream', after_tokens: 2 });
    const recorded = recording('chat-stream-midstream-error.http');
    const actual = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 20, stream: true });
    expectSameHead(actual, recorded);
    expect(eventShapes(actual.body)).toEqual(eventShapes(recorded.body));
    expect(actual.body.split('\n\n').slice(-3)).toEqual(recorded.body.split('\n\n').slice(-3));
    expectOneChunkPerEvent(actual);
  });

  test('chat-request-error-500.http: the same bytes', async () => {
    await sim.fault({ fault: 'error-500' });
    const recorded = recording('chat-request-error-500.http');
    const actual = await rawJson(sim.port, CHAT_PATH, CHAT);
    expectSameHead(actual, recorded);
    expect(actual.body).toBe(recorded.body);
  });

  // What changed its words since is held against newer recordings, in test/vllm.
  test.each([
    ['err-content-type.http', JSON.stringify(CHAT), 'text/plain'],
    ['err-stream-options.http', JSON.stringify({ ...CHAT, stream_options: { include_usage: true } }), 'application/json'],
    [
      'err-tool-choice-auto.http',
      JSON.stringify({ ...CHAT, tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] }),
      'application/json',
    ],
    ['err-value-range.http', JSON.stringify({ ...CHAT, temperature: -1 }), 'application/json'],
  ])('%s: the same bytes', async (file, body, contentType) => {
    const recorded = recording(file);
    const actual = await rawRequest({ port: sim.port, path: CHAT_PATH, body, headers: { 'content-type': contentType } });
    expectSameHead(actual, recorded);
    expect(actual.body).toBe(recorded.body);
  });

  test.each([
    ['err-method-405.http', CHAT_PATH],
    ['err-route-404.http', '/v1/nothing'],
    ['health-200.http', '/health'],
  ])('%s: the same bytes for a GET', async (file, path) => {
    const recorded = recording(file);
    const actual = await rawRequest({ port: sim.port, path });
    expectSameHead(actual, recorded);
    expect(actual.body).toBe(recorded.body);
  });

  test.each([
    ['models.http', '/v1/models'],
    ['version.http', '/version'],
  ])('%s: the same keys', async (file, path) => {
    const recorded = recording(file);
    const actual = await rawRequest({ port: sim.port, path });
    expectSameHead(actual, recorded);
    expect(shapeOf(JSON.parse(actual.body))).toEqual(shapeOf(JSON.parse(recorded.body)));
  });
});

describe.skipIf(!present)(`the simulated engine with parsers answers in the shape of the recordings of vLLM${absent}`, () => {
  test('chat-stream-tools-reasoning.sse: thoughts, then a call whose arguments come in pieces', async () => {
    await using sim = await startSim({
      model: 'tiny',
      args: ['--enable-auto-tool-choice', '--tool-call-parser', 'hermes', '--reasoning-parser', 'deepseek_r1'],
    });
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];
    const body = { model: 'tiny', messages: MESSAGES, tools, stream: true, stream_options: { include_usage: true } };
    const actual = await rawJson(sim.port, CHAT_PATH, body);
    const recorded = pattern(readFileSync(`${FOLDER}chat-stream-tools-reasoning.sse`, 'utf8'));
    // The recorded model also said something between its thoughts and its call.
    const said = recorded.findIndex((shape) => shape.includes('["delta",[["content","string"]]]'));
    expect(said).toBeGreaterThan(0);
    expect(pattern(actual.body)).toEqual(recorded.filter((_, at) => at !== said));
  });
});

describe.skipIf(!present)(`the simulated engine dies in the shape of the recordings of vLLM${absent}`, () => {
  test('engine-dead-inflight-stream.http: the stream ends with the error and [DONE]', async () => {
    await using sim = await startSim({ model: 'tiny' });
    await sim.fault({ fault: 'engine-death', after_tokens: 4 });
    const recorded = recording('engine-dead-inflight-stream.http');
    const actual = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 30_000, ignore_eos: true, stream: true });
    expectSameHead(actual, recorded);
    expect(pattern(actual.body)).toEqual(pattern(recorded.body));
    expect(actual.body.split('\n\n').slice(-3)).toEqual(recorded.body.split('\n\n').slice(-3));
    expectOneChunkPerEvent(actual);
  });

  test('engine-dead-nonstream-500.http and health-503.http: the same bytes', async () => {
    await using sim = await startSim({ model: 'tiny', env: { VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: '1' } });
    await sim.fault({ fault: 'engine-death', after_tokens: 4 });
    const recorded = recording('engine-dead-nonstream-500.http');
    const inFlight = await rawJson(sim.port, CHAT_PATH, { ...CHAT, max_tokens: 30_000, ignore_eos: true });
    expectSameHead(inFlight, recorded);
    expect(inFlight.body).toBe(recorded.body);
    const fresh = await rawJson(sim.port, CHAT_PATH, { ...CHAT, stream: true });
    expectSameHead(fresh, recorded);
    expect(fresh.body).toBe(recorded.body);
    const health = await rawRequest({ port: sim.port, path: '/health' });
    expectSameHead(health, recording('health-503.http'));
    expect(health.body).toBe('');
  });
});
