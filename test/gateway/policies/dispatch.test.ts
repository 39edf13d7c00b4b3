import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Call } from '../../../gateway/core/call.ts';
import { GatewayError, type ErrorKind } from '../../../gateway/core/errors.ts';
import { seededRandom } from '../../../gateway/core/random.ts';
import type { Reply } from '../../../gateway/core/reply.ts';
import type { BreakerSettings } from '../../../gateway/policies/circuit-breaker.ts';
import { Dispatch, type DispatchContext } from '../../../gateway/policies/dispatch.ts';
import type { BalancerSettings } from '../../../gateway/policies/load-balancer.ts';
import { clientGone, fakeCall } from '../../support/fake-call.ts';
import { FakeClient } from '../../support/fake-client.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import {
  completion,
  DONE_EVENT,
  ERROR_EVENT,
  type FakeExchange,
  FakeWorker,
  finishEvent,
  MODEL,
  tokenEvent,
} from '../../support/fake-worker.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

const BREAKER: BreakerSettings = {
  failures: 5,
  window_ms: 30_000,
  failure_rate: 0.5,
  min_requests: 10,
  open_ms: 30_000,
  success_to_close: 2,
};
/** In turn: the first call goes to w0, the next to w1. */
const BALANCER: BalancerSettings = { policy: 'round_robin', affinity: 'none', slow_start_ms: 0 };

interface Setup {
  workers?: number;
  max_attempts?: number;
  budget_ratio?: number;
  breaker?: Partial<BreakerSettings>;
  balancer?: Partial<BalancerSettings>;
}

function setUp({ workers: count = 2, max_attempts = 2, budget_ratio = 0.2, breaker, balancer }: Setup = {}) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const workers = Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`));
  const directory = new FakeDirectory(clock, workers);
  let requestIds = 0;
  const context: DispatchContext = {
    clock,
    random: seededRandom(1),
    events,
    directory,
    breaker: () => ({ ...BREAKER, ...breaker }),
    balancer: () => ({ ...BALANCER, ...balancer }),
    pressure: () => ({ warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 }),
    retry: () => ({ max_attempts, budget_ratio }),
    relay: () => ({ first_token_ms: 60_000, idle_ms: 60_000, keep_alive_ms: 0 }),
    newRequestId: () => `fresh-${++requestIds}`,
  };
  const dispatch = new Dispatch(context);
  const handler = dispatch.handler();

  /** Sends a call; its reply, or the error it threw, is in `result` once there is one. */
  function send(call: Call = fakeCall()): Sent {
    const sent: Sent = { call, result: null, client: new FakeClient(call) };
    handler(call).then(
      (reply) => {
        sent.result = reply;
        sent.client.receive(reply);
      },
      (error: GatewayError) => {
        sent.result = error;
      },
    );
    return sent;
  }

  /** Exchanges that wait for the test to say what the worker does. */
  const open = (): FakeExchange[] => workers.flatMap((worker) => worker.transport.exchanges.filter((exchange) => !exchange.over));
  const settle = (): Promise<void> => clock.advance(0);

  /** Sends a call and has the worker that gets it (and any after it) behave so. */
  async function sendTo(behavior: (exchange: FakeExchange, attempt: number) => void, call?: Call): Promise<Sent> {
    const sent = send(call);
    for (let attempt = 1; ; attempt++) {
      await settle();
      const exchange = open()[0];
      if (!exchange || sent.result) return sent;
      behavior(exchange, attempt);
    }
  }

  const asked = (): number[] => workers.map((worker) => worker.transport.exchanges.length);
  return { clock, events, workers, directory, dispatch, handler, send, sendTo, open, settle, asked };
}

interface Sent {
  readonly call: Call;
  result: Reply | GatewayError | null;
  readonly client: FakeClient;
}

function kindOf({ result }: Sent): ErrorKind {
  if (result instanceof GatewayError) return result.kind;
  throw new Error(`not an error: ${JSON.stringify(result)}`);
}

function textOf({ result, client }: Sent): string {
  if (result === null || result instanceof GatewayError) throw new Error(`no reply: ${String(result)}`);
  return client.text;
}

const good = (exchange: FakeExchange): unknown => exchange.answer(200, completion());
const refuse = (exchange: FakeExchange): unknown => exchange.failed('connect');
const die = (exchange: FakeExchange): unknown => exchange.sent().failed('died');
const fail500 = (exchange: FakeExchange): unknown =>
  exchange.answer(500, { error: { message: 'internal', type: 'x', param: null, code: 500 } });
/** The first attempt goes wrong, those after it go well. */
const once =
  (first: (exchange: FakeExchange) => unknown) =>
  (exchange: FakeExchange, attempt: number): void =>
    void (attempt === 1 ? first(exchange) : good(exchange));

describe('one attempt', () => {
  test('sends what the client sent, with a fresh id, and nothing of the client’s headers but those allowed', async () => {
    const t = setUp({ workers: 1 });
    const call = fakeCall({ text: '{"model":"m","seed":12345678901234567890}' });
    t.send(call);
    const { request } = t.workers[0]!.last;
    expect(request.path).toBe('/v1/chat/completions');
    expect(request.headers).toEqual({ accept: '*/*', 'content-type': 'application/json', 'x-request-id': 'fresh-1' });
    expect(request.body).toEqual({
      kind: 'bytes',
      bytes: Buffer.from('{"model":"m","seed":12345678901234567890}'),
      contentType: 'application/json',
    });
  });

  test('counts as in flight until the worker has finished', async () => {
    const t = setUp({ workers: 1 });
    const sent = t.send(fakeCall({ stream: true }));
    const [worker] = t.workers as [FakeWorker];
    expect(worker.inFlight).toBe(1);
    worker.last.sent().head().frames(tokenEvent());
    await t.settle();
    expect(sent.call.journey).toMatchObject({ phase: 'stream', worker: 'w0', attempts: 1 });
    expect(worker.inFlight).toBe(1);
    worker.last.frames(finishEvent(), DONE_EVENT).end();
    expect(worker.inFlight).toBe(0);
    expect(textOf(sent)).toMatch(/\[DONE\]\n\n$/);
  });

  test('counts calls by worker, and forgets workers that have gone', async () => {
    const t = setUp();
    for (let i = 0; i < 4; i++) await t.sendTo(good);
    expect([...t.dispatch.routed]).toEqual([
      ['w0', 2],
      ['w1', 2],
    ]);
    t.directory.setWorkers([t.workers[1]!]);
    expect([...t.dispatch.routed]).toEqual([['w1', 2]]);
    expect([...t.dispatch.breakers.keys()]).toEqual(['w1']);
  });

  test('a fault of our own costs the worker no place and the breaker no probe', async () => {
    const t = setUp({ workers: 1, breaker: { failures: 1 } });
    await t.sendTo(fail500);
    await t.clock.advance(2_000);
    const [worker] = t.workers as [FakeWorker];
    worker.transport.onExchange = () => {
      throw new TypeError('a bug');
    };
    const sent = t.send();
    await t.settle();
    expect(sent.result).toBeInstanceOf(TypeError);
    expect(worker.inFlight).toBe(0);
    worker.transport.onExchange = null;
    expect(textOf(await t.sendTo(good))).toContain('Yes.');
  });
});

describe('retry', () => {
  test.each([
    { what: 'a refused connection', first: refuse, reason: 'unsent' },
    { what: 'a worker that dies before its first byte', first: die, reason: 'died' },
    { what: 'a 500', first: fail500, reason: 'failed' },
    { what: 'a 503', first: (x: FakeExchange) => x.answer(503, {}), reason: 'busy' },
    { what: 'a 429', first: (x: FakeExchange) => x.answer(429, {}), reason: 'busy' },
    {
      what: 'a page that is no answer',
      first: (x: FakeExchange) => x.sent().head(200, 'text/html').data('<html>').end(),
      reason: 'failed',
    },
    { what: 'JSON that is cut short', first: (x: FakeExchange) => x.answer(200, '{"id":"x","choices":['), reason: 'failed' },
    { what: 'finish_reason abort', first: (x: FakeExchange) => x.answer(200, completion('abort')), reason: 'failed' },
    { what: 'something that is not HTTP', first: (x: FakeExchange) => x.sent().failed('nonsense'), reason: 'failed' },
  ])('$what is asked again, of the other worker ($reason)', async ({ first, reason }) => {
    const t = setUp();
    const sent = await t.sendTo(once(first));
    expect(textOf(sent)).toContain('Yes.');
    expect(t.asked()).toEqual([1, 1]);
    expect(sent.call.journey).toMatchObject({ attempts: 2, worker: 'w1' });
    expect(t.events.of('retried').map(([, why]) => why)).toEqual([reason]);
    const ids = t.workers.map((worker) => worker.last.request.headers['x-request-id']);
    expect(new Set(ids).size).toBe(2);
    for (const worker of t.workers) expect(worker.inFlight).toBe(0);
  });

  test.each([
    { what: 'an error event before the first token', first: (x: FakeExchange) => x.sent().head().frames(ERROR_EVENT) },
    { what: 'an end before the first token', first: (x: FakeExchange) => x.sent().head().end() },
    { what: 'a cut connection before the first token', first: (x: FakeExchange) => x.sent().head().cut() },
  ])('$what of a stream is asked again', async ({ first }) => {
    const t = setUp();
    const sent = await t.sendTo(
      (exchange, attempt) => {
        if (attempt === 1) first(exchange);
        else exchange.sent().head().frames(tokenEvent(), finishEvent(), DONE_EVENT).end();
      },
      fakeCall({ stream: true }),
    );
    expect(textOf(sent)).toMatch(/\[DONE\]\n\n$/);
    expect(t.asked()).toEqual([1, 1]);
  });

  test('after the first byte nothing is: the stream ends with an error event and no [DONE]', async () => {
    for (const breakOff of [
      (x: FakeExchange) => x.failed('died'),
      (x: FakeExchange) => x.frames(ERROR_EVENT, DONE_EVENT),
      (x: FakeExchange) => x.frames(finishEvent('abort'), DONE_EVENT),
      (x: FakeExchange) => x.end(),
    ]) {
      const t = setUp();
      const sent = t.send(fakeCall({ stream: true }));
      t.workers[0]!.last.sent().head().frames(tokenEvent(' once'));
      await t.settle();
      breakOff(t.workers[0]!.last);
      await t.settle();
      expect(t.asked()).toEqual([1, 0]);
      expect(textOf(sent)).toMatch(/ once[^]*data: \{"error":\{"message":"[^"]+","type":"server_error","param":null,"code":"upstream_/);
      expect(textOf(sent)).not.toContain('[DONE]');
      expect(sent.client.outcome?.kind).toBe('broken');
      expect(t.events.count('retried')).toBe(0);
    }
  });

  test('what an attempt left in the books is not the next one’s', async () => {
    const t = setUp();
    const sent = t.send(fakeCall({ stream: true }));
    await t.clock.advance(100);
    t.workers[0]!.last.answer(500, {});
    await t.clock.advance(100);
    t.workers[1]!.last.sent().head().frames(tokenEvent());
    await t.clock.advance(100);
    t.workers[1]!.last.failed('died');
    const { sentAt, firstByteAt, lastByteAt, chunks } = sent.call.journey;
    expect({ sentAt, firstByteAt, lastByteAt, chunks }).toEqual({ sentAt: 1_200, firstByteAt: 1_200, lastByteAt: 1_300, chunks: 1 });
  });

  test('never goes to the same worker twice, however many attempts there may be', async () => {
    const t = setUp({ workers: 3, max_attempts: 10, breaker: { failures: 100 } });
    const sent = await t.sendTo(fail500);
    expect(kindOf(sent)).toBe('upstream_error');
    expect(t.asked()).toEqual([1, 1, 1]);
  });

  test.each([
    { max_attempts: 1, asked: 1 },
    { max_attempts: 2, asked: 2 },
    { max_attempts: 3, asked: 3 },
  ])('ends after $max_attempts attempts in all', async ({ max_attempts, asked }) => {
    const t = setUp({ workers: 4, max_attempts });
    expect(kindOf(await t.sendTo(fail500))).toBe('upstream_error');
    expect(t.asked().reduce((sum, count) => sum + count, 0)).toBe(asked);
  });

  test('with no other worker the failure itself is the answer, and no retry is counted or paid for', async () => {
    const t = setUp({ workers: 1, breaker: { failures: 1_000, failure_rate: 1, min_requests: 100_000 } });
    for (let i = 0; i < 30; i++) expect(kindOf(await t.sendTo(fail500))).toBe('upstream_error');
    expect(t.events.count('retried')).toBe(0);
    t.directory.setWorkers([...t.workers, new FakeWorker('late')]);
    const sent = t.send();
    t.workers[0]!.last.answer(500, {});
    await t.settle();
    expect(sent.call.journey.worker).toBe('late');
  });

  test('a failure costs budget: when that is used up, the failure is the answer', async () => {
    const t = setUp({ budget_ratio: 0, breaker: { failures: 1_000, min_requests: 100_000 } });
    for (let i = 0; i < 10; i++) expect(textOf(await t.sendTo(once(fail500)))).toContain('Yes.');
    expect(kindOf(await t.sendTo(once(fail500)))).toBe('upstream_error');
    expect(kindOf(await t.sendTo(once((x) => x.answer(429, {}))))).toBe('worker_busy');
    expect(t.events.count('retried')).toBe(10);
    // A call that no worker has had is not what the budget guards against.
    expect(textOf(await t.sendTo(once(refuse)))).toContain('Yes.');
  });

  test('a body that is still arriving cannot be sent twice', async () => {
    const t = setUp();
    const body = { kind: 'stream', stream: Readable.from([]), contentType: 'multipart/form-data', contentLength: null } as const;
    expect(kindOf(await t.sendTo(refuse, fakeCall({ body })))).toBe('upstream_disconnected');
    expect(t.asked()).toEqual([1, 0]);
  });

  test.each([400, 404, 422])('a %i is the worker’s answer to the client: it is not asked again and no failure', async (status) => {
    const t = setUp({ breaker: { failures: 1 } });
    const sent = await t.sendTo((x) =>
      x.answer(status, { error: { message: 'Bad field.', type: 'BadRequestError', param: 'body.n', code: status } }),
    );
    expect(sent.result).toMatchObject({ kind: 'invalid_value', message: 'Bad field.', details: { status, param: 'n' } });
    expect(t.asked()).toEqual([1, 0]);
    expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
  });

  test('a call that is cancelled between two attempts is not sent again', async () => {
    const t = setUp();
    const call = fakeCall();
    t.workers[0]!.transport.onExchange = (exchange) => {
      exchange.failed('connect');
      call.cancellation.cancel(clientGone());
    };
    const sent = t.send(call);
    await t.settle();
    expect(kindOf(sent)).toBe('client_disconnected');
    expect(t.asked()).toEqual([1, 0]);
  });
});

describe('a kept connection that was gone', () => {
  const stale = (exchange: FakeExchange): unknown => exchange.sent().failed('stale');

  test('is tried once more with the same worker', async () => {
    const t = setUp();
    const sent = await t.sendTo(once(stale));
    expect(textOf(sent)).toContain('Yes.');
    expect(t.asked()).toEqual([2, 0]);
    expect(sent.call.journey.attempts).toBe(2);
  });

  test('twice in a row is asked of the other worker', async () => {
    const t = setUp();
    const sent = await t.sendTo((exchange, attempt) => void (attempt < 3 ? stale(exchange) : good(exchange)));
    expect(textOf(sent)).toContain('Yes.');
    expect(t.asked()).toEqual([2, 1]);
  });

  test('is no failure of the worker, even where it is its only one', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const sent = Array.from({ length: 20 }, () => t.send());
    for (const exchange of t.open()) stale(exchange);
    await t.settle();
    for (const exchange of t.open()) good(exchange);
    await t.settle();
    for (const one of sent) expect(textOf(one)).toContain('Yes.');
    expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
  });

  test('is not tried again for a call that has been cancelled', async () => {
    const t = setUp();
    const call = fakeCall();
    t.workers[0]!.transport.onExchange = (exchange) => {
      stale(exchange);
      call.cancellation.cancel(clientGone());
    };
    const sent = t.send(call);
    await t.settle();
    expect(kindOf(sent)).toBe('client_disconnected');
    expect(t.asked()).toEqual([1, 0]);
  });
});

describe('the breaker', () => {
  test.each([
    { what: 'a client that leaves', end: (_: FakeExchange, call: Call) => call.cancellation.cancel(clientGone()) },
    { what: 'a deadline', end: (_: FakeExchange, call: Call) => call.cancellation.cancel(new GatewayError('deadline', 'late')) },
    { what: 'a 429', end: (x: FakeExchange) => x.answer(429, {}) },
    { what: 'a 503', end: (x: FakeExchange) => x.answer(503, {}) },
    { what: 'a 400', end: (x: FakeExchange) => x.answer(400, {}) },
  ])('does not count $what', async ({ end }) => {
    const t = setUp({ workers: 1, breaker: { failures: 1 } });
    const call = fakeCall();
    await t.sendTo((exchange) => end(exchange, call), call);
    expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
    expect(t.workers[0]!.inFlight).toBe(0);
  });

  test('of a failing worker opens, and the others carry on without it', async () => {
    const t = setUp({ max_attempts: 1 });
    for (let i = 0; i < 10; i++) await t.sendTo((x) => void (t.workers[0]!.transport.exchanges.includes(x) ? fail500(x) : good(x)));
    expect(t.dispatch.breakers.get('w0')!.state).toBe('open');
    const before = t.asked()[0];
    for (let i = 0; i < 10; i++) expect(textOf(await t.sendTo(good))).toContain('Yes.');
    expect(t.asked()[0]).toBe(before);
    expect(t.events.of('breakerChanged')).toEqual([['w0', 'closed', 'open', 'consecutive_failures']]);
  });

  test('when all are open, calls are refused at once, with the soonest half-open as the time to come back', async () => {
    const t = setUp({ breaker: { failures: 1 } });
    t.send(fakeCall());
    t.workers[0]!.last.answer(500, {});
    await t.clock.advance(300);
    t.workers[1]!.last.answer(500, {});
    await t.settle();
    const sent = t.send();
    await t.settle();
    expect(kindOf(sent)).toBe('breaker_open');
    const soonest = Math.min(...t.workers.map(({ id }) => t.dispatch.breakers.get(id)!.openUntilMs!));
    expect((sent.result as GatewayError).details.retryAfterMs).toBe(soonest - t.clock.now());
    expect((sent.result as GatewayError).status).toBe(503);
    expect(t.asked()).toEqual([1, 1]);
  });

  async function opened(over: Setup = {}) {
    const t = setUp({ workers: 1, ...over, breaker: { failures: 1, ...over.breaker } });
    await t.sendTo(fail500);
    await t.clock.advance(1_300);
    return { ...t, worker: t.workers[0]!, breaker: t.dispatch.breakers.get('w0')! };
  }

  test('sends one probe when its time is over; calls beside it are refused, not held', async () => {
    const t = await opened();
    t.send();
    const beside = t.send();
    await t.settle();
    expect(t.asked()).toEqual([2]);
    expect(kindOf(beside)).toBe('breaker_open');
    expect((beside.result as GatewayError).details.retryAfterMs).toBe(1_000);
    expect(t.breaker.state).toBe('half_open');
  });

  test('takes a probe’s first byte for an answer: a long stream does not keep it half open', async () => {
    const t = await opened({ breaker: { success_to_close: 1 } });
    t.send(fakeCall({ stream: true }));
    t.worker.last.sent().head();
    expect(t.breaker.state).toBe('half_open');
    t.worker.last.frames(tokenEvent());
    expect(t.breaker.state).toBe('closed');
  });

  test('is not closed by the first byte of a call from before it opened', async () => {
    const t = setUp({ workers: 1, breaker: { failures: 1 } });
    t.send(fakeCall({ stream: true }));
    const old = t.workers[0]!.last;
    t.send();
    t.workers[0]!.last.answer(500, {});
    await t.clock.advance(1_300);
    t.send();
    old.sent().head().frames(tokenEvent(), finishEvent(), DONE_EVENT).end();
    expect(t.dispatch.breakers.get('w0')!.state).toBe('half_open');
  });

  test('lets the next probe through when one ends without proof', async () => {
    const t = await opened();
    const probe = t.send();
    await t.settle();
    probe.call.cancellation.cancel(clientGone());
    await t.settle();
    expect(t.breaker.state).toBe('half_open');
    expect(textOf(await t.sendTo(good))).toContain('Yes.');
  });

  test('closes when the worker becomes ready anew, and results from its former life are not heard', async () => {
    const t = await opened();
    const probe = t.send();
    await t.settle();
    t.directory.setState(t.worker, 'starting');
    await t.clock.advance(100);
    t.directory.setState(t.worker, 'ready');
    expect(t.breaker.state).toBe('closed');
    expect(t.events.of('breakerChanged').at(-1)).toEqual(['w0', 'half_open', 'closed', 'worker_ready']);
    t.worker.last.failed('died');
    await t.settle();
    expect(kindOf(probe)).toBe('upstream_disconnected');
    expect(t.breaker.state).toBe('closed');
  });

  test('stays as it is when something else about the workers changes', async () => {
    const t = await opened();
    t.directory.changed();
    t.directory.setWorkers([...t.workers, new FakeWorker('w1')]);
    expect(t.breaker.state).toBe('open');
  });

  test('takes new thresholds', async () => {
    const breaker: Partial<BreakerSettings> = { failures: 5 };
    const t = setUp({ workers: 1, breaker });
    for (let i = 0; i < 2; i++) await t.sendTo(fail500);
    Object.assign(breaker, { failures: 3 });
    t.dispatch.configure();
    await t.sendTo(fail500);
    expect(t.dispatch.breakers.get('w0')!.state).toBe('open');
  });
});

describe('a request that kills workers', () => {
  const POISON = '{"prompt":"kills"}';
  const poison = (): Call => fakeCall({ text: POISON });

  test('is not fed to a third: after two deaths it is refused as suspect, with nothing of it retried', async () => {
    const t = setUp({ workers: 3, max_attempts: 5 });
    const sent = await t.sendTo(die, poison());
    expect(kindOf(sent)).toBe('suspect');
    expect((sent.result as GatewayError).status).toBe(422);
    expect(t.asked()).toEqual([1, 1, 0]);
  });

  test('is then refused at once for the same bytes, and only for those', async () => {
    const t = setUp({ workers: 3 });
    await t.sendTo(die, poison());
    const again = await t.sendTo(good, poison());
    expect(kindOf(again)).toBe('suspect');
    expect(t.asked()).toEqual([1, 1, 0]);
    expect(textOf(await t.sendTo(good))).toContain('Yes.');
  });

  test('is recognized over two calls: one worker each', async () => {
    const t = setUp({ workers: 2, max_attempts: 1 });
    expect(kindOf(await t.sendTo(die, poison()))).toBe('upstream_disconnected');
    expect(kindOf(await t.sendTo(die, poison()))).toBe('suspect');
  });

  test('is not suspected for one death that took several equal requests with it', async () => {
    const t = setUp({ workers: 1 });
    const sent = Array.from({ length: 8 }, () => t.send(poison()));
    for (const exchange of t.open()) die(exchange);
    await t.settle();
    for (const one of sent) expect(kindOf(one)).toBe('upstream_disconnected');
  });

  test('may try again after ten minutes', async () => {
    const t = setUp({ workers: 2 });
    await t.sendTo(die, poison());
    await t.clock.advance(600_001);
    expect(textOf(await t.sendTo(good, poison()))).toContain('Yes.');
  });
});

describe('the choice', () => {
  test('passes over workers whose cache is full while others are not, and takes them when all are', async () => {
    const t = setUp();
    const full = { scrapedAt: t.clock.now(), kvUsage: 0.99, waiting: 5 };
    Object.assign(t.workers[0]!.load, full);
    for (let i = 0; i < 4; i++) await t.sendTo(good);
    expect(t.asked()).toEqual([0, 4]);
    Object.assign(t.workers[1]!.load, full);
    for (let i = 0; i < 4; i++) await t.sendTo(good);
    expect(t.asked()[0]).toBeGreaterThan(0);
  });

  test('takes only workers that serve the model and are ready', async () => {
    const t = setUp({ workers: 3 });
    t.directory.setState(t.workers[0]!, 'draining');
    t.workers[1]!.view = { ...t.workers[1]!.view, models: [] };
    for (let i = 0; i < 3; i++) await t.sendTo(good);
    expect(t.asked()).toEqual([0, 0, 3]);
  });

  test('with none ready says whether the model is loading', async () => {
    const t = setUp({ workers: 1 });
    t.directory.setState(t.workers[0]!, 'starting');
    t.directory.setModel(MODEL, 'loading', 12);
    const sent = t.send();
    await t.settle();
    expect(kindOf(sent)).toBe('model_loading');
  });

  test('with the last worker gone after a failure the failure is the answer', async () => {
    const t = setUp();
    const sent = t.send();
    t.directory.setState(t.workers[1]!, 'stopping');
    t.workers[0]!.last.failed('died');
    t.directory.setState(t.workers[0]!, 'backoff');
    await t.settle();
    expect(kindOf(sent)).toBe('upstream_disconnected');
  });

  test.each([
    { affinity: 'session' as const, options: { sessionId: 's-1' } },
    { affinity: 'prefix' as const, options: { promptHead: 'You are a helpful assistant.' } },
  ])('keeps calls of one $affinity together', async ({ affinity, options }) => {
    const t = setUp({ workers: 4, balancer: { affinity } });
    for (let i = 0; i < 8; i++) await t.sendTo(good, fakeCall(options));
    expect(t.asked().filter((count) => count > 0)).toEqual([8]);
  });

  test('without a session or a prompt there is no affinity', async () => {
    for (const affinity of ['session', 'prefix'] as const) {
      const t = setUp({ workers: 4, balancer: { affinity } });
      for (let i = 0; i < 8; i++) await t.sendTo(good);
      expect(t.asked()).toEqual([2, 2, 2, 2]);
    }
  });
});
