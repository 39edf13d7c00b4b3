import { describe, expect, test } from 'vitest';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import {
  completion,
  DONE_EVENT,
  ERROR_EVENT,
  type FakeExchange,
  FakeWorker,
  finishEvent,
  tokenEvent,
} from '../../../support/fake-worker.ts';
import { die, fail500, good, kindOf, once, refuse, setUp, textOf } from './dispatch-scene.ts';

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
    expect(sent.call.attempts.map(({ worker }) => worker)).toEqual(['w0', 'w1']);
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
    // The first event of a chat says no more than whose turn it is.
    t.workers[1]!.last.sent().head().frames(tokenEvent(), tokenEvent());
    await t.clock.advance(100);
    t.workers[1]!.last.failed('died');
    expect(sent.call.attempts).toMatchObject([
      { worker: 'w0', sentAt: 1_100, firstByteAt: null, lastByteAt: null, chunks: 0, failure: 'failed', verdict: { kind: 'failure' } },
      { worker: 'w1', sentAt: 1_200, firstByteAt: 1_200, lastByteAt: 1_300, chunks: 1, failure: null, verdict: { kind: 'failure' } },
    ]);
    expect(t.events.of('attemptEnded').map(([, { worker }]) => worker)).toEqual(['w0', 'w1']);
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
    expect(sent.call.attempts.at(-1)?.worker).toBe('late');
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

  test('what the gateway itself lacks is no failure of a worker, and another is not asked', async () => {
    const t = setUp({ breaker: { failures: 1 } });
    for (let i = 0; i < 10; i++) expect((await t.sendTo((x) => x.failed('short'))).result).toMatchObject({ kind: 'queue_full' });
    expect([...t.dispatch.breakers.values()].every(({ state }) => state === 'closed')).toBe(true);
    expect(t.events.count('retried')).toBe(0);
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
    expect(sent.call.attempts).toHaveLength(2);
  });

  test('twice in a row is asked of the other worker', async () => {
    const t = setUp();
    const sent = await t.sendTo((exchange, attempt) => void (attempt < 3 ? stale(exchange) : good(exchange)));
    expect(textOf(sent)).toContain('Yes.');
    expect(t.asked()).toEqual([2, 1]);
  });

  test('leaves the other worker to be asked, also when its own is started anew meanwhile', async () => {
    const t = setUp();
    const sent = await t.sendTo((exchange, attempt) => {
      if (attempt > 2) return void good(exchange);
      t.workers[0]!.life = { since: attempt };
      void (attempt === 1 ? stale(exchange) : refuse(exchange));
    });
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
