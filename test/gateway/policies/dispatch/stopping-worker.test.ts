import { expect, test } from 'vitest';
import { outliveWorker } from '../../../../gateway/policies/lost/outlive-worker.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { type FakeExchange, finishEvent, MODEL, tokenEvent } from '../../../support/fake-worker.ts';
import { good, kindOf, once, setUp, textOf } from './dispatch-scene.ts';

/** What a vLLM says to new requests while it finishes those it has. */
const WORDS = 'cannot schedule new futures after shutdown';
const whole = (exchange: FakeExchange): unknown =>
  exchange.answer(500, { error: { message: WORDS, type: 'InternalServerError', param: null, code: 500 } });
const inStream = (exchange: FakeExchange): unknown =>
  exchange.sent().head().frames(`data: {"error":{"message":"${WORDS}","type":"InternalServerError","param":null,"code":500}}\n\n`);

const answered = (exchange: FakeExchange): unknown =>
  exchange.sent().head().frames(tokenEvent(), tokenEvent('Yes.'), finishEvent(), 'data: [DONE]\n\n').end();

test.each([
  ['as an answer', whole, good, false],
  ['as an answer to a stream', whole, answered, true],
  ['in a stream', inStream, answered, true],
])('a worker that says %s that it is being shut down is asked no more, and another has the call', async (_, says, answer, stream) => {
  const t = setUp();
  const send = (first: (exchange: FakeExchange) => unknown) =>
    t.sendTo((exchange, attempt) => void (attempt === 1 ? first : answer)(exchange), fakeCall({ stream }));
  const sent = await send(says);
  expect(textOf(sent)).toContain('Yes.');
  expect(sent.call.attempts[0]).toMatchObject({ failure: 'stopping', verdict: { kind: 'neutral' } });
  for (let i = 0; i < 4; i++) expect(textOf(await send(answer))).toContain('Yes.');
  expect(t.asked()).toEqual([1, 5]);
});

test('alone, its calls are refused with a time to come back, and nobody is blamed, however often', async () => {
  const t = setUp({ workers: 1 });
  for (let i = 0; i < 20; i++) {
    const sent = await t.sendTo(whole);
    expect(kindOf(sent)).toBe('no_worker');
    t.directory.setState(t.workers[0]!, 'ready');
  }
  expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
});

test('a call waits for its next life where there will be one', async () => {
  const t = setUp({
    workers: 1,
    before: ({ clock, events, directory }) => outliveWorker({ clock, events, directory, lineUpAgain: () => ready() }),
  });
  const ready = async (): Promise<void> => t.directory.setState(t.workers[0]!, 'ready');
  t.directory.setModel(MODEL, 'ready', null, true);
  const sent = await t.sendTo(once(whole));
  expect(textOf(sent)).toContain('Yes.');
  expect(t.asked()).toEqual([2]);
});
