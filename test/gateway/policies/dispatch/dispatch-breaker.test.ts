import { describe, expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { BreakerSettings } from '../../../../gateway/policies/dispatch/circuit-breaker.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { DONE_EVENT, type FakeExchange, FakeWorker, finishEvent, tokenEvent } from '../../../support/fake-worker.ts';
import { fail500, good, kindOf, setUp, type Setup, textOf } from './dispatch-scene.ts';

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
    // Of one body one worker can be a witness; who cannot be reached needs none.
    t.workers[1]!.last.failed('connect');
    await t.settle();
    const sent = t.send();
    await t.settle();
    expect(kindOf(sent)).toBe('breaker_open');
    const soonest = Math.min(...t.workers.map(({ id }) => t.dispatch.breakers.get(id)!.openUntilMs!));
    expect((sent.result as GatewayError).details.retryAfterMs).toBe(soonest - t.clock.now());
    expect((sent.result as GatewayError).status).toBe(503);
    expect(t.asked()).toEqual([1, 1]);
  });

  describe('of a worker that has calls of ours and does nothing', () => {
    /** Calls wait at w0 without a byte; its page has said for so long that nothing was done. */
    function hanging(stillMs: number, over: Partial<FakeWorker['load']> = {}) {
      const t = setUp({ workers: 2, balancer: { policy: 'least_loaded' } });
      const [worker] = t.workers as [FakeWorker, FakeWorker];
      worker.inFlight = 1;
      t.workers[1]!.inFlight = 50;
      Object.assign(worker.load, { work: 100, workedAt: 0, scrapedAt: stillMs }, over);
      return { ...t, worker };
    }

    test('opens, though none of them has failed', async () => {
      const t = hanging(120_000);
      await t.sendTo(good);
      expect(t.asked()).toEqual([0, 1]);
      expect(t.events.of('breakerChanged')).toEqual([['w0', 'closed', 'open', 'stalled']]);
    });

    test('opens after seconds where a token that we asked it for did not come either, and lets no call in to find that out again', async () => {
      const t = hanging(13_000, { withheldAt: 13_000 });
      for (let i = 0; i < 3; i++) {
        await t.sendTo(good);
        await t.clock.advance(60_000);
      }
      expect(t.asked()).toEqual([0, 3]);
      expect(t.events.of('breakerChanged')).toEqual([['w0', 'closed', 'open', 'stalled']]);
      // A token came.
      t.worker.load.withheldAt = null;
      for (let i = 0; i < 2; i++) await t.sendTo(good);
      expect(t.asked()[0]).toBe(2);
      expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
    });

    test('tells those who have nobody else to ask when it is asked again', async () => {
      const t = setUp({ workers: 1 });
      Object.assign(t.workers[0]!.load, { work: 100, workedAt: 0, scrapedAt: 13_000, withheldAt: 13_000 });
      const first = t.send();
      await t.settle();
      expect(kindOf(first)).toBe('breaker_open');
      expect(first.result).toMatchObject({ message: expect.stringContaining('make no token'), details: { retryAfterMs: 10_000 } });
      expect(t.asked()).toEqual([0]);
    });

    test('lets one call in now and then, and closes when they are answered', async () => {
      const t = hanging(120_000);
      await t.sendTo(good);
      for (let probe = 1; probe <= 3; probe++) {
        await t.clock.advance(30_000);
        for (let i = 0; i < 5; i++) t.send();
        await t.settle();
        expect(t.asked()[0]).toBe(probe);
        for (const exchange of t.workers[1]!.transport.exchanges) if (!exchange.over) good(exchange);
        await t.settle();
      }
      // It gets on again.
      t.worker.load.workedAt = 120_000;
      for (const exchange of t.open()) good(exchange);
      await t.clock.advance(30_000);
      for (let i = 0; i < 3; i++) await t.sendTo(good);
      expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
      expect(t.asked()[0]).toBeGreaterThan(4);
    });

    test.each([
      ['it was seen doing something less than two minutes ago', 119_000, {}],
      ['its page does not count', 120_000, { work: null }],
      ['it has not been looked at', 120_000, { scrapedAt: null, workedAt: null }],
    ])('stays closed where %s', async (_, stillMs, over) => {
      const t = hanging(stillMs, over);
      await t.sendTo(good);
      expect(t.asked()).toEqual([1, 0]);
    });

    test('stays closed where it has answered meanwhile, if only that a request is wrong', async () => {
      const t = hanging(0);
      const answeredAt = t.clock.now();
      await t.sendTo((x) => x.answer(400, { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } }));
      expect(t.asked()).toEqual([1, 0]);
      t.worker.load.scrapedAt = answeredAt + 119_000;
      await t.sendTo(good);
      expect(t.asked()).toEqual([2, 0]);
      t.worker.load.scrapedAt = answeredAt + 120_000;
      await t.sendTo(good);
      expect(t.asked()).toEqual([2, 1]);
    });
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
