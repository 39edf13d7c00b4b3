import { describe, expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import type { GatewayError } from '../../../../gateway/core/errors.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import type { FakeExchange, FakeWorker } from '../../../support/fake-worker.ts';
import { DONE_EVENT, finishEvent, MODEL, tokenEvent } from '../../../support/fake-worker.ts';
import { die, fail500, good, kindOf, setUp, textOf } from './dispatch-scene.ts';

describe('one attempt', () => {
  test('sends what the client sent, with a fresh id, and nothing of the client’s headers but those allowed', async () => {
    const t = setUp({ workers: 1 });
    const call = fakeCall({ text: '{"model":"m","seed":12345678901234567890}' });
    t.send(call);
    const { request } = t.workers[0]!.last;
    expect(request.path).toBe('/v1/chat/completions');
    expect(request.headers).toEqual({ accept: '*/*', 'content-type': 'application/json', 'x-request-id': 'fresh-1' });
    expect(request.body).toEqual({
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
    expect(sent.call.journey.phase).toBe('stream');
    expect(sent.call.attempts).toMatchObject([{ worker: 'w0' }]);
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

  test('of a supervisor waits for its word: what was killed from outside, or told to stop, is not held against it', async () => {
    for (const [endedBy, isSuspect] of [
      ['crash', true],
      ['killed', false],
      ['stopped', false],
    ] as const) {
      const t = setUp({ workers: 3, max_attempts: 5 });
      for (const worker of t.workers) worker.view = { ...worker.view, logFile: '/var/log/engine.log' };
      const lives = t.workers.map(({ life }) => life!);
      // It has been sent to nobody else meanwhile.
      expect(kindOf(await t.sendTo(die, poison()))).toBe('upstream_disconnected');
      expect(t.asked()).toEqual([1, 1, 0]);
      for (const life of lives) life.endedBy = endedBy;
      const again = await t.sendTo(good, poison());
      if (isSuspect) expect(kindOf(again)).toBe('suspect');
      else expect(textOf(again)).toContain('Yes.');
    }
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

  test('is told from those that were with it: they are tried one at a time, and answered', async () => {
    const t = setUp();
    t.directory.setState(t.workers[1]!, 'starting');
    const innocents = ['1', '2'].map((text) => (): Call => fakeCall({ text }));
    const sent = [poison, ...innocents].map((make) => t.send(make()));
    t.directory.setState(t.workers[1]!, 'ready');
    for (let death = 0; death < 2; death++) {
      for (const exchange of t.open()) die(exchange);
      await t.settle();
    }
    expect(t.asked()).toEqual([3, 3]);
    for (const one of sent) expect(kindOf(one)).toBe('upstream_disconnected');
    const [first, second] = innocents as [() => Call, () => Call];
    const trial = t.send(first());
    expect(kindOf(await t.sendTo(good, second()))).toBe('worker_busy');
    for (const exchange of t.open()) good(exchange);
    await t.settle();
    expect(textOf(trial)).toContain('Yes.');
    expect(textOf(await t.sendTo(good, second()))).toContain('Yes.');
    await t.clock.advance(1);
    for (const worker of t.workers) for (const state of ['backoff', 'ready'] as const) t.directory.setState(worker, state);
    expect(kindOf(await t.sendTo(die, poison()))).toBe('suspect');
    expect(t.asked()).toEqual([5, 4]);
  });

  test('is known, too, when they die in the middle of its answer', async () => {
    const t = setUp();
    const breakOff = (exchange: FakeExchange): unknown => exchange.sent().head().frames(tokenEvent()).failed('died');
    const streamed = (): Call => fakeCall({ text: POISON, stream: true });
    for (let i = 0; i < 2; i++) expect(textOf(await t.sendTo(breakOff, streamed()))).toContain('upstream_disconnected');
    expect(kindOf(await t.sendTo(good, streamed()))).toBe('suspect');
    expect(t.asked()).toEqual([1, 1]);
  });

  test('is not suspected once it has been answered in between', async () => {
    const t = setUp({ max_attempts: 1 });
    for (const behaves of [die, good, die]) await t.sendTo(behaves, poison());
    expect(textOf(await t.sendTo(good, poison()))).toContain('Yes.');
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
    { affinity: 'prefix' as const, options: { prefix: { blocks: [1, 2], size: 600 / 256 } } },
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
