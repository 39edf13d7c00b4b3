import { expect, test } from 'vitest';
import { RecentCalls } from '../../../gateway/console/recent-calls.ts';
import { newAttempt } from '../../../gateway/core/attempt.ts';
import type { Call } from '../../../gateway/core/call.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const DONE = { kind: 'complete', status: 200 } as const;

test('the last three hundred are shown, each as it ended, in their order', async () => {
  const clock = createFakeClock();
  const recent = new RecentCalls(clock);
  for (let i = 1; i <= 700; i++) {
    const call = fakeCall({ id: `call-${i}`, stream: true, arrivedAt: clock.now() });
    call.attempts.push(Object.assign(newAttempt('w', null), { sentAt: clock.now(), firstByteAt: clock.now() + 2, outputTokens: i }));
    await clock.advance(5);
    recent.requestEnded(call, DONE, 200);
    // Asked in between, nothing of it may stay for those that come after it.
    if (i % 50 === 0) recent.last();
  }
  const shown = recent.last();
  expect(shown.map(({ number }) => number)).toEqual(Array.from({ length: 300 }, (_, i) => i + 401));
  expect(shown.every(({ number, id, output_tokens: tokens }) => id === `call-${number}` && tokens === number)).toBe(true);
  expect(shown[0]).toMatchObject({ duration_ms: 5, outcome: 'complete', status: 200, stream: true, attempts: [{ first_ms: 2 }] });
  expect(recent.last(2).map(({ id }) => id)).toEqual(['call-699', 'call-700']);
  // The same whenever it is looked at: a browser tells by it what it has already.
  await clock.advance(60_000);
  expect(recent.last(1)).toEqual(shown.slice(-1));
});

test('how a refused one ended is shown, and counted by its reason', () => {
  const clock = createFakeClock();
  const recent = new RecentCalls(clock);
  recent.requestEnded(fakeCall(), { kind: 'refused', error: new GatewayError('queue_full', 'full') }, 503);
  expect(recent.last()).toMatchObject([{ outcome: 'refused', reason: 'queue_full', status: 503 }]);
  expect(recent.counts).toMatchObject({ requests: 1, refused: 1, failed: 0 });
  expect(recent.counts.reasons).toEqual(new Map([['queue_full', 1]]));
});

const refusal = (id: string, status: number, code: string, route = '/v1/chat/completions') => ({
  ...{ id, status, code, route, path: null, method: 'POST', durationMs: 2, key: null },
});

test('what is refused before it is a call is shown too, the last hundred, in its place among the others and without pushing them out', async () => {
  const clock = createFakeClock();
  const recent = new RecentCalls(clock);
  recent.requestEnded(fakeCall({ id: 'before' }), DONE, 200);
  for (let i = 1; i <= 500; i++) {
    await clock.advance(5);
    recent.requestRefused(refusal(`early-${i}`, 401, 'invalid_api_key'));
  }
  recent.requestRefused(refusal('wrong', 404, 'model_not_found'));
  recent.requestEnded(fakeCall({ id: 'after' }), DONE, 200);
  const ids = recent.last().map(({ id }) => id);
  expect(ids).toHaveLength(102);
  expect([ids[0], ids[1], ...ids.slice(-2)]).toEqual(['before', 'early-402', 'wrong', 'after']);
  expect(recent.last(2).map(({ number }) => number)).toEqual([502, 503]);
  expect(recent.last().at(-2)).toMatchObject({ status: 404, reason: 'model_not_found', outcome: 'refused', duration_ms: 2, attempts: [] });
  expect(recent.counts).toMatchObject({ requests: 503, refused: 501, operators: 0 });
});

test("what is refused at the operator's pages is none of the clients' trouble", () => {
  const recent = new RecentCalls(createFakeClock());
  for (const route of ['/admin/status', '/console/session', '/metrics', '/debug/runtime'])
    recent.requestRefused(refusal('x', 401, 'invalid_admin_key', route));
  expect(recent.counts).toMatchObject({ requests: 0, refused: 0, failed: 0, operators: 4 });
  expect(recent.last()).toEqual([]);
  recent.requestRefused(refusal('y', 404, 'unknown_url', 'unknown'));
  expect(recent.counts).toMatchObject({ requests: 1, refused: 1 });
});

test('neither bodies nor connections are kept by what is shown of a call', async () => {
  const clock = createFakeClock();
  const recent = new RecentCalls(clock);
  const held = (() => {
    const call: Call = fakeCall();
    recent.requestEnded(call, { kind: 'broken', error: new GatewayError('internal', 'x', { cause: new Error('of a worker') }) }, 500);
    return [call, call.body, call.body.bytes, call.peek, call.cancellation].map((each) => new WeakRef<object>(each));
  })();
  // A WeakRef holds on to what it points at until the turn is over.
  await new Promise((resolve) => setImmediate(resolve));
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--expose-gc');
  const { runInNewContext } = await import('node:vm');
  (runInNewContext('gc') as () => void)();
  expect(held.map((each) => each.deref())).toEqual(held.map(() => undefined));
  expect(recent.last()).toHaveLength(1);
});
