import { expect, test } from 'vitest';
import { GatewayError } from '../../gateway/core/errors.ts';
import type { Layer } from '../../gateway/core/handler.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { jsonReply } from '../support/json-reply.ts';
import { pipeline } from '../../gateway/pipeline.ts';
import { InFlight } from '../../gateway/policies/account.ts';
import { Admission } from '../../gateway/policies/admission/admission.ts';
import { Dispatch } from '../../gateway/policies/dispatch/dispatch.ts';
import { BatchWindows } from '../../gateway/policies/window/batch-window.ts';
import { fakeCall } from '../support/fake-call.ts';
import { FakeClient } from '../support/fake-client.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { FakeWorker } from '../support/fake-worker.ts';
import { RecordedEvents } from '../support/recorded-events.ts';

const TIMEOUTS = { stream_total_ms: 5_000, request_total_ms: 5_000, stream_max_ms: 5_000, request_max_ms: 5_000, idle_ms: 5_000 };
const PRESSURE = { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 };

function setUp(early: readonly Layer[]) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const random = seededRandom(1);
  const worker = new FakeWorker('w0', { maxNumSeqs: 1 });
  const directory = new FakeDirectory(clock, [worker]);
  const admission = new Admission({
    ...{ clock, events, directory },
    admission: () => ({ max_queue: 0, queue_timeout_ms: 1_000, headroom: 0, reject_status: 503 }),
    pressure: () => PRESSURE,
    timeouts: () => TIMEOUTS,
  });
  const dispatch = new Dispatch({
    ...{ clock, events, directory, random },
    breaker: () => ({ failures: 5, window_ms: 30_000, failure_rate: 0.5, min_requests: 10, open_ms: 30_000, success_to_close: 2 }),
    sessions: () => ({ idle_ms: 180_000, max_entries: 10_000 }),
    balancer: () => ({ policy: 'p2c', affinity: 'none', slow_start_ms: 0 }),
    pressure: () => PRESSURE,
    retry: () => ({ max_attempts: 2, budget_ratio: 0.2 }),
    relay: () => ({ first_token_ms: 60_000, idle_ms: 60_000, keep_alive_ms: 0 }),
    onStopping: () => {},
    toGateway: () => ({}),
    newRequestId: () => 'fresh',
  });
  const inFlight = new InFlight();
  const windows = new BatchWindows(clock, events, () => ({
    ...{ window_ms: 0, max_batch_size: 8 },
    guardrail: { p95_slo_ms: 5_000, enabled: true },
  }));
  const handler = pipeline({
    ...{ clock, random, events, directory, inFlight, admission, windows, dispatch, early },
    timeouts: () => TIMEOUTS,
    onUnexpected: (error) => {
      throw error;
    },
  });
  /** Sends a call; what its client has been told is found in the client. */
  function send(): FakeClient {
    const call = fakeCall({ arrivedAt: clock.now() });
    const client = new FakeClient(call);
    void handler(call).then((reply) => client.receive(reply));
    return client;
  }
  return { clock, events, admission, inFlight, worker, send };
}

test('an early policy may answer by itself after a while, and takes no place for it', async () => {
  const cached: Layer = () => async () => {
    await new Promise<void>((resolve) => void t.clock.after(100, resolve));
    return jsonReply(200, { cached: true });
  };
  const t = setUp([cached]);
  const client = t.send();
  await t.clock.advance(50);
  expect([t.inFlight.count, t.admission.inUse()]).toEqual([1, 0]);
  await t.clock.advance(50);
  expect(client.text).toBe('{"cached":true}');
  expect([t.inFlight.count, t.worker.transport.exchanges.length, t.events.count('admitted')]).toEqual([0, 0, 0]);
});

test('what an early policy refuses is answered as any other refusal, though every place is taken', async () => {
  const limited: Layer = () => () => Promise.reject(new GatewayError('queue_full', 'Too many.', { status: 429 }));
  const t = setUp([limited]);
  const client = t.send();
  await t.clock.advance(0);
  expect(client.reply?.status).toBe(429);
  expect(t.events.count('requestEnded')).toBe(1);
});

test('an early policy that never answers is ended by the deadline, if it hears of it', async () => {
  const waiting: Layer = () => (call) => new Promise((_, reject) => void call.cancellation.onCancel(reject));
  const t = setUp([waiting]);
  const client = t.send();
  await t.clock.advance(TIMEOUTS.request_total_ms);
  expect(client.reply?.status).toBe(504);
});

test('without any the call goes on to a worker', async () => {
  const t = setUp([]);
  const client = t.send();
  await t.clock.advance(0);
  t.worker.last.answer(200, '{"id":"x"}');
  await t.clock.advance(0);
  expect(client.text).toBe('{"id":"x"}');
});
