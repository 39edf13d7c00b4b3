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
