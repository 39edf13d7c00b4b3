import { describe, expect, test } from 'vitest';
import { fakeCall } from '../../../support/fake-call.ts';
import { type FakeExchange, tokenEvent } from '../../../support/fake-worker.ts';
import { die, fail500, good, kindOf, refuse, setUp } from './dispatch-scene.ts';

/** A body that nothing has failed with before. */
const call = (stream = false) => fakeCall({ stream });

type Scene = ReturnType<typeof setUp>;

/** A stream of somebody else that is under way at the worker. */
async function streamAt(t: Scene, at = 0): Promise<FakeExchange> {
  const before = t.workers.map((worker) => worker.transport.exchanges.length);
  t.send(call(true));
  await t.settle();
  const index = t.workers.findIndex((worker, i) => worker.transport.exchanges.length > before[i]!);
  expect(index).toBe(at);
  return t.workers[index]!.last.sent().head().frames(tokenEvent());
}

/** Fails a call at w0, with others in its hands. */
async function fails(t: Scene, how: (exchange: FakeExchange) => unknown, at = 0): Promise<void> {
  t.send(call());
  await t.settle();
  how(t.workers[at]!.last);
  await t.settle();
}

const state = (t: Scene, id = 'w0') => t.dispatch.breakers.get(id)!.state;

describe('the only worker of a model', () => {
  test.each([
    ['answers of status 500', fail500],
    ['broken connections', die],
    ['connections that cannot be made', refuse],
  ])('is asked on through %s as long as another stream from it flows', async (_name, how) => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const stream = await streamAt(t);
    for (let failure = 0; failure < 40; failure++) {
      await fails(t, how);
      await t.clock.advance(20);
      stream.frames(tokenEvent());
    }
    expect(state(t)).toBe('closed');
    expect(t.events.of('breakerChanged')).toEqual([]);
  });

  test('is left alone after as many failures as ever when its streams have stopped as the failures began', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const stream = await streamAt(t);
    for (let spared = 0; spared < 7; spared++) {
      await t.clock.advance(20);
      await fails(t, die);
      await t.clock.advance(20);
      stream.frames(tokenEvent());
    }
    expect(state(t)).toBe('closed');
    // Forgotten were the first five.
    for (let failure = 0; failure < 8; failure++) await fails(t, die);
    expect(state(t)).toBe('open');
  });

  test('is left alone after five failures in a moment, whatever it did before them', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    await streamAt(t);
    Object.assign(t.workers[0]!.load, { work: 100, scrapedAt: 0 });
    await t.clock.advance(20);
    for (let failure = 0; failure < 5; failure++) await fails(t, refuse);
    expect(state(t)).toBe('open');
  });

  test('is asked on while its counter of tokens rises, through failures that requests may have brought about', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const { load } = t.workers[0]!;
    Object.assign(load, { work: 100, scrapedAt: 0 });
    for (let failure = 0; failure < 60; failure++) {
      await fails(t, fail500);
      await t.clock.advance(100);
      if (failure % 5 === 4) Object.assign(load, { work: load.work! + 50, scrapedAt: t.clock.now() });
    }
    expect(state(t)).toBe('closed');
  });

  test('is left alone when its counter stands still', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const { load } = t.workers[0]!;
    Object.assign(load, { work: 100, scrapedAt: 0 });
    for (let failure = 0; failure < 60 && (t.dispatch.breakers.get('w0')?.state ?? 'closed') === 'closed'; failure++) {
      await fails(t, fail500);
      await t.clock.advance(100);
      load.scrapedAt = t.clock.now();
    }
    expect(state(t)).toBe('open');
    // Not before there was a look, and not long after.
    expect(t.clock.now()).toBeGreaterThan(2_000);
    expect(t.clock.now()).toBeLessThan(4_000);
  });

  test('is left alone at once when it is not well, whatever flows', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    const stream = await streamAt(t);
    for (let failure = 0; failure < 5; failure++) {
      t.send(call());
      await t.settle();
      const exchange = t.workers[0]!.last;
      await t.clock.advance(20);
      stream.frames(tokenEvent());
      if (failure === 4) t.workers[0]!.life = null;
      fail500(exchange);
      await t.settle();
    }
    expect(state(t)).toBe('open');
  });

  test('is asked on when half of all calls are answered', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    for (let pair = 0; pair < 20; pair++) {
      await fails(t, die);
      await t.clock.advance(20);
      await fails(t, good);
      await t.clock.advance(20);
    }
    expect(state(t)).toBe('closed');
  });
});

describe('with two workers', () => {
  test('the first is left alone, whatever flows from it; the last is asked on', async () => {
    const t = setUp({ workers: 2, max_attempts: 1, balancer: { policy: 'least_loaded' } });
    // A stream at each.
    const streams = [await streamAt(t, 0), await streamAt(t, 1)];
    const failAll = async (failures: number): Promise<void> => {
      for (let failure = 0; failure < failures; failure++) {
        t.send(call());
        await t.settle();
        for (const worker of t.workers)
          for (const exchange of worker.transport.exchanges) if (!exchange.over && !streams.includes(exchange)) die(exchange);
        await t.clock.advance(20);
        for (const stream of streams) stream.frames(tokenEvent());
      }
    };
    await failAll(60);
    expect([state(t, 'w0'), state(t, 'w1')].toSorted()).toEqual(['closed', 'open']);
  });

  test('a last breaker that had to open stays so at a probe that fails', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    for (let failure = 0; failure < 5; failure++) await fails(t, refuse);
    await t.clock.advance(2_000);
    await fails(t, refuse);
    expect(state(t)).toBe('open');
    expect(kindOf(await t.sendTo(good, call()))).toBe('breaker_open');
  });
});
