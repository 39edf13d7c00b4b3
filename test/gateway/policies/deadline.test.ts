import { expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { deadline } from '../../../gateway/policies/deadline.ts';
import { totalMs, type DeadlineSettings } from '../../../gateway/core/time-limits.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { jsonReply } from '../../support/json-reply.ts';

const SETTINGS: DeadlineSettings = { stream_total_ms: 300_000, request_total_ms: 60_000 };

test('streams and whole answers have limits of their own', () => {
  expect([totalMs(SETTINGS, true), totalMs(SETTINGS, false)]).toEqual([300_000, 60_000]);
});

test.each([
  { stream: true, limitMs: 300_000 },
  { stream: false, limitMs: 60_000 },
])(
  'a call (stream: $stream) is cancelled $limitMs ms after its arrival, time before the policies included',
  async ({ stream, limitMs }) => {
    const clock = createFakeClock();
    const call = fakeCall({ stream, arrivedAt: clock.now() });
    await clock.advance(10_000);
    void deadline(clock, () => SETTINGS)(() => new Promise(() => {}))(call);
    await clock.advance(limitMs - 10_001);
    expect(call.cancellation.cancelled).toBe(false);
    await clock.advance(1);
    expect(call.cancellation.reason?.kind).toBe('deadline');
    expect(call.cancellation.reason?.status).toBe(504);
  },
);

test('a call that is late already is cancelled in the next turn', async () => {
  const clock = createFakeClock();
  const call = fakeCall({ arrivedAt: clock.now() });
  await clock.advance(70_000);
  void deadline(clock, () => SETTINGS)(() => new Promise(() => {}))(call);
  await clock.advance(0);
  expect(call.cancellation.reason?.kind).toBe('deadline');
});

test('it lasts until the reply has ended, and then no timer is left', async () => {
  const clock = createFakeClock();
  const call = fakeCall({ arrivedAt: clock.now() });
  const reply = await deadline(clock, () => SETTINGS)(async () => jsonReply(200, {}))(call);
  expect(clock.pending).toBe(1);
  reply.ended.settle({ kind: 'complete', status: 200 });
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});

test('no timer is left when the next handler throws', async () => {
  const clock = createFakeClock();
  const error = new GatewayError('queue_full', 'full');
  await expect(deadline(clock, () => SETTINGS)(() => Promise.reject(error))(fakeCall())).rejects.toBe(error);
  expect(clock.pending).toBe(0);
});

test('new limits hold for the calls that come after', async () => {
  const clock = createFakeClock();
  let settings = SETTINGS;
  const handler = deadline(clock, () => settings)(() => new Promise(() => {}));
  const before = fakeCall({ arrivedAt: clock.now() });
  void handler(before);
  settings = { stream_total_ms: 5, request_total_ms: 5 };
  const after = fakeCall({ arrivedAt: clock.now() });
  void handler(after);
  await clock.advance(5);
  expect([before.cancellation.cancelled, after.cancellation.cancelled]).toEqual([false, true]);
});
