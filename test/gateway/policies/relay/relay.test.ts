import { describe, expect, test } from 'vitest';
import { newAttempt, type Verdict } from '../../../../gateway/core/attempt.ts';
import type { AttemptResult } from '../../../../gateway/policies/relay/attempt-result.ts';
import { relay } from '../../../../gateway/policies/relay/relay.ts';
import type { Route } from '../../../../gateway/core/call.ts';
import { CHAT, fakeCall, MESSAGES } from '../../../support/fake-call.ts';
import { FakeClient } from '../../../support/fake-client.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { completion, DONE_EVENT, FakeWorker, finishEvent, tokenEvent } from '../../../support/fake-worker.ts';

const SETTINGS = { first_token_ms: 60_000, idle_ms: 60_000, keep_alive_ms: 30_000 };
const ENGINE_DIED = 'EngineCore encountered an issue. See stack trace (above) for the root cause.';

function ask(stream: boolean, route: Route = CHAT, choices = 1) {
  const clock = createFakeClock();
  const worker = new FakeWorker('w0');
  const made = fakeCall({ stream, route, arrivedAt: clock.now() });
  const call = { ...made, peek: { ...made.peek, choices } };
  const verdicts: Verdict[] = [];
  const record = newAttempt(worker.id, worker.life);
  call.attempts.push(record);
  const attempt = relay(call, record, worker, { method: 'POST', path: call.route.path, headers: {}, body: null }, clock, SETTINGS, {
    onBegun() {},
    onSent() {},
    onFirstByte() {},
    onDied() {},
    onBrokenOff() {},
    onBroken: () => false,
    onSettled: (verdict) => verdicts.push(verdict),
  });
  return { clock, worker, call, client: new FakeClient(call), attempt, verdicts, exchange: worker.last };
}

async function receive(attempt: Promise<AttemptResult>, client: FakeClient): Promise<void> {
  const result = await attempt;
  if (result.kind !== 'replied') throw new Error(`the attempt failed: ${result.error.message}`);
  client.receive(result.reply);
}

describe('a stream that comes without chunks', () => {
  test('is passed on event by event as it comes, however it is cut', async () => {
    const { exchange, attempt, client, verdicts } = ask(true);
    // Each call of tokenEvent makes a new id.
    const [first, second, finish] = [tokenEvent('Hello'), tokenEvent(' world'), finishEvent()];
    exchange.sent().head(200, 'text/event-stream').data(first.slice(0, 20));
    exchange.data(first.slice(20) + second.slice(0, 5));
    await receive(attempt, client);
    expect(client.text).toBe(first);
    exchange.data(second.slice(5) + finish + DONE_EVENT).end();
    expect(client.text).toBe(first + second + finish + DONE_EVENT);
    expect(verdicts).toEqual([{ kind: 'success' }]);
  });
});

test.each(['\r\n', '\r'])('a stream whose lines end by %j is passed on as it came, to its [DONE]', async (lineEnd) => {
  const { exchange, attempt, client, verdicts } = ask(true);
  const written = [`: hello\n\n`, tokenEvent('Hello'), finishEvent(), DONE_EVENT].map((each) => each.replaceAll('\n', lineEnd));
  exchange
    .sent()
    .head()
    .frames(...written.slice(0, 2));
  await receive(attempt, client);
  exchange.lastFrames(...written.slice(2));
  expect(client.text).toBe(written.join(''));
  expect(verdicts).toEqual([{ kind: 'success' }]);
});

test('without usage, the tokens of a chat are its events less the role and [DONE]', async () => {
  const { call, exchange, attempt, client } = ask(true);
  const role = 'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n';
  exchange.sent().head().frames(role, tokenEvent('a'));
  await receive(attempt, client);
  exchange.frames(tokenEvent('b'));
  exchange.lastFrames(finishEvent(), DONE_EVENT);
  expect(call.attempts).toMatchObject([{ outputTokens: null, chunks: 3 }]);
});

test('a slow reader at [DONE] does not cost the worker its connection', async () => {
  const { clock, exchange, attempt, client } = ask(true);
  exchange.sent().head().frames(tokenEvent('Hello'));
  await receive(attempt, client);
  client.slow = true;
  exchange.frames(finishEvent(), DONE_EVENT);
  exchange.end();
  await clock.advance(5_000);
  expect(exchange.aborted).toBe(false);
  expect(exchange.over).toBe(true);
});

describe('a stream that ends early, but in order', () => {
  async function endAfter(route: Route, choices: number, ...events: string[]): Promise<string> {
    const { exchange, attempt, client } = ask(true, route, choices);
    exchange
      .sent()
      .head()
      .frames(...events);
    await receive(attempt, client);
    exchange.end();
    return client.text;
  }

  test('is an error while not every choice has finished', async () => {
    expect(await endAfter(CHAT, 2, tokenEvent('a'), finishEvent())).toContain('upstream_disconnected');
    expect(await endAfter(CHAT, 2, tokenEvent('a'), finishEvent(), finishEvent())).not.toContain('error');
  });

  test('is an error where its last event is missing', async () => {
    const start = 'event: message_start\ndata: {"type":"message_start"}\n\n';
    const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
    const route: Route = { ...MESSAGES, streamEnd: 'final-event' };
    expect(await endAfter(route, 1, start)).toContain('event: error');
    expect(await endAfter(route, 1, start, stop)).toBe(start + stop);
  });
});

describe('an engine that dies', () => {
  test('of a request that waits for its whole answer counts as a death', async () => {
    const { exchange, attempt, verdicts } = ask(false);
    const body = { error: { message: ENGINE_DIED, type: 'InternalServerError', param: null, code: 500 } };
    exchange.sent().head(500, 'application/json').data(JSON.stringify(body)).end();
    expect(await attempt).toMatchObject({ kind: 'failed', cause: 'died' });
    expect(verdicts).toEqual([{ kind: 'failure', reason: 'status_500' }]);
  });

  test('of a stream before its first token counts as a death', async () => {
    const { exchange, attempt } = ask(true);
    exchange
      .sent()
      .head()
      .frames(`data: {"error": {"message": "${ENGINE_DIED}", "type": "InternalServerError", "param": null, "code": 500}}\n\n`);
    expect(await attempt).toMatchObject({ kind: 'failed', cause: 'died' });
  });

  test('is not what any other failure counts as', async () => {
    const { exchange, attempt } = ask(false);
    exchange.sent().head(500, 'application/json').data('{"error":{"message":"Internal server error","type":"InternalServerError"}}').end();
    expect(await attempt).toMatchObject({ kind: 'failed', cause: 'failed' });
  });
});

describe('what a worker answers says how it is', () => {
  test.each([
    ['its own 400', 400, '{"error":{"message":"bad","type":"BadRequestError","param":null,"code":400}}', { kind: 'success' }],
    ['429', 429, '{}', { kind: 'neutral' }],
    ['503', 503, '{}', { kind: 'neutral' }],
    ['500', 500, '{}', { kind: 'failure', reason: 'status_500', doubtful: true }],
  ])('%s', async (_name, status, text, verdict) => {
    const { exchange, attempt, verdicts } = ask(false);
    exchange.sent().head(status, 'application/json').data(text).end();
    expect((await attempt).kind).toBe('failed');
    expect(verdicts).toEqual([verdict]);
  });

  const told = (code: number) =>
    `data: {"error": {"message": "Grammar error: Invalid type: objekt", "type": "X", "param": null, "code": ${code}}}\n\n`;

  test.each([
    ['a client error as the first event', 400, { cause: 'final', error: { status: 400, message: 'Grammar error: Invalid type: objekt' } }],
    ['being busy as the first event', 503, { cause: 'busy', error: { status: 503 } }],
    ['being busy, by its other number', 429, { cause: 'busy', error: { status: 503 } }],
  ])('%s is answered as its twin without a stream would be, and says nothing of the worker', async (_name, code, result) => {
    const { exchange, attempt, verdicts } = ask(true);
    exchange.sent().head().lastFrames(told(code), DONE_EVENT);
    expect(await attempt).toMatchObject({ kind: 'failed', ...result });
    expect(verdicts).toEqual([{ kind: 'neutral' }]);
  });

  test('a client error behind text ends the stream with the worker’s words, and says nothing of the worker', async () => {
    const { exchange, attempt, client, verdicts } = ask(true);
    exchange.sent().head().frames(tokenEvent());
    await receive(attempt, client);
    exchange.lastFrames(told(400), DONE_EVENT);
    expect(client.text).toContain('"message":"Grammar error: Invalid type: objekt"');
    expect(client.text).not.toContain('[DONE]');
    expect(verdicts).toEqual([{ kind: 'neutral' }]);
  });

  test('a whole answer to a call that asked for a stream is an answer', async () => {
    const { exchange, attempt, client, verdicts } = ask(true, { ...CHAT, path: '/tokenize', streamEnd: 'end-of-body' });
    exchange.answer(200, { tokens: [1] });
    await receive(attempt, client);
    expect([client.text, verdicts]).toEqual(['{"tokens":[1]}', [{ kind: 'success' }]]);
  });

  test('a stream of responses that breaks off ends with an event of its own, numbered after the last', async () => {
    const { exchange, attempt, client } = ask(true, { ...CHAT, path: '/v1/responses', dialect: 'responses', streamEnd: 'final-event' });
    exchange
      .sent()
      .head()
      .frames('event: response.output_text.delta\ndata: {"delta":"a","sequence_number":4,"type":"response.output_text.delta"}\n\n');
    await receive(attempt, client);
    exchange.failed('died');
    const last = client.text.split('\n\n').at(-2)!;
    expect(last).toMatch(/^event: error\ndata: \{"type":"error","sequence_number":5,"code":"upstream_disconnected"/);
  });

  test('a message that its engine has given up is no answer', async () => {
    const { exchange, attempt, verdicts } = ask(false, MESSAGES);
    exchange.answer(200, { type: 'message', content: [{ type: 'text', text: 'half an ans' }], stop_reason: null });
    expect(await attempt).toMatchObject({ kind: 'failed', cause: 'failed' });
    expect(verdicts).toMatchObject([{ kind: 'failure', reason: 'aborted', doubtful: true }]);
  });

  test('a message whose tool was given a stop reason of null is one', async () => {
    const { exchange, attempt, client } = ask(false, MESSAGES);
    exchange.answer(200, { type: 'message', content: [{ type: 'tool_use', input: { stop_reason: null } }], stop_reason: 'tool_use' });
    await receive(attempt, client);
    expect(client.text).toContain('tool_use');
  });

  test('a finish reason that a client has echoed is none', async () => {
    const { exchange, attempt, client } = ask(false, { ...CHAT, path: '/v1/responses', streamEnd: 'final-event' });
    exchange.answer(200, { metadata: { finish_reason: 'abort' }, output: [] });
    await receive(attempt, client);
    expect(client.text).toContain('output');
  });

  test('a kept connection that is gone says nothing', async () => {
    const { exchange, attempt, verdicts } = ask(false);
    exchange.sent().failed('stale');
    expect(await attempt).toMatchObject({ kind: 'failed', cause: 'stale' });
    expect(verdicts).toEqual([{ kind: 'neutral' }]);
  });

  test('a whole answer says that it is well', async () => {
    const { exchange, attempt, client, verdicts } = ask(false);
    exchange.sent().head(200, 'application/json').data(completion()).end();
    await receive(attempt, client);
    expect(verdicts).toEqual([{ kind: 'success' }]);
  });
});
