import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { deadline } from '../../../gateway/policies/deadline.ts';
import { totalMs, type DeadlineSettings } from '../../../gateway/core/time-limits.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { newAttempt } from '../../../gateway/core/attempt.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { jsonReply } from '../../support/json-reply.ts';

const SETTINGS: DeadlineSettings = {
  ...{ stream_total_ms: 300_000, request_total_ms: 60_000 },
  ...{ stream_max_ms: 3_600_000, request_max_ms: 600_000, idle_ms: 30_000 },
};
const NOBODY = { workers: () => [] };

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
    void deadline(clock, () => SETTINGS, NOBODY)(() => new Promise(() => {}))(call);
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
  void deadline(clock, () => SETTINGS, NOBODY)(() => new Promise(() => {}))(call);
  await clock.advance(0);
  expect(call.cancellation.reason?.kind).toBe('deadline');
});

test('for as long as this process has stood still it lasts longer: what came meanwhile is yet to be read', async () => {
  const clock = createFakeClock();
  const begun = clock.now();
  const call = fakeCall({ arrivedAt: begun });
  void deadline(clock, () => SETTINGS, NOBODY)(() => new Promise(() => {}))(call);
  await clock.advance(59_000);
  await clock.standStill(3_000);
  expect(call.cancellation.cancelled).toBe(false);
  await clock.advance(1_999);
  expect(call.cancellation.cancelled).toBe(false);
  await clock.advance(1);
  expect(call.cancellation.reason?.kind).toBe('deadline');
});

test('and no longer than a few seconds, a few times', async () => {
  const clock = createFakeClock();
  const call = fakeCall({ arrivedAt: clock.now() });
  void deadline(clock, () => SETTINGS, NOBODY)(() => new Promise(() => {}))(call);
  for (let time = 0; time < 3; time++) {
    await clock.standStill(600_000);
    expect(call.cancellation.cancelled).toBe(false);
  }
  await clock.standStill(600_000);
  expect(call.cancellation.reason?.kind).toBe('deadline');
});

test('it lasts until the reply has ended, and then no timer is left', async () => {
  const clock = createFakeClock();
  const call = fakeCall({ arrivedAt: clock.now() });
  const reply = await deadline(clock, () => SETTINGS, NOBODY)(async () => jsonReply(200, {}))(call);
  expect(clock.pending).toBe(1);
  reply.ended.settle({ kind: 'complete', status: 200 });
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});

test('no timer is left when the next handler throws', async () => {
  const clock = createFakeClock();
  const error = new GatewayError('queue_full', 'full');
  await expect(deadline(clock, () => SETTINGS, NOBODY)(() => Promise.reject(error))(fakeCall())).rejects.toBe(error);
  expect(clock.pending).toBe(0);
});

test('new limits hold for the calls that come after', async () => {
  const clock = createFakeClock();
  let settings = SETTINGS;
  const handler = deadline(clock, () => settings, NOBODY)(() => new Promise(() => {}));
  const before = fakeCall({ arrivedAt: clock.now() });
  void handler(before);
  settings = { ...SETTINGS, stream_total_ms: 5, request_total_ms: 5 };
  const after = fakeCall({ arrivedAt: clock.now() });
  void handler(after);
  await clock.advance(5);
  expect([before.cancellation.cancelled, after.cancellation.cancelled]).toEqual([false, true]);
});

describe('a call at a worker', () => {
  /** A call of whole answers that its worker has; `second` is told every second what it is. */
  function atWorker(second: (worker: FakeWorker, seconds: number, now: number) => void, stream = false) {
    const clock = createFakeClock();
    const worker = new FakeWorker('w');
    const call = fakeCall({ stream, arrivedAt: clock.now() });
    const attempt = newAttempt('w', worker.life);
    call.attempts.push(attempt);
    void deadline(clock, () => SETTINGS, { workers: () => [worker] })(() => new Promise(() => {}))(call);
    return {
      attempt,
      /** Seconds after its arrival at which it was cancelled, and the message. */
      async end(): Promise<readonly [seconds: number, message: string]> {
        for (let seconds = 1; seconds <= 4_000; seconds++) {
          second(worker, seconds, clock.now());
          await clock.advance(1_000);
          const { reason } = call.cancellation;
          if (reason) return [seconds, reason.message];
        }
        throw new Error('it never ended');
      },
    };
  }

  test('whose counters rise goes on beyond the total, and ends some time after they have stopped', async () => {
    const [seconds, message] = await atWorker((worker, at, now) => at <= 200 && (worker.load.movedAt = now)).end();
    expect(seconds).toBe(229);
    expect(message).toContain('60000 ms in all (timeouts.request_total_ms)');
    expect(message).toContain('was not seen to get on: retry');
  });

  test('whose counters rise for ever ends at the most there is', async () => {
    const [seconds, message] = await atWorker((worker, _at, now) => (worker.load.movedAt = now)).end();
    expect(seconds).toBe(600);
    expect(message).toContain('600000 ms in all (timeouts.request_max_ms)');
  });

  test('that does not count ends at its total', async () => {
    expect((await atWorker(() => {}).end())[0]).toBe(60);
  });

  test('whose stream flows goes on, whether or not the worker counts', async () => {
    const scene = atWorker((_worker, at, now) => at <= 1_000 && (scene.attempt.heardAt = now), true);
    expect((await scene.end())[0]).toBe(1_029);
  });
});
