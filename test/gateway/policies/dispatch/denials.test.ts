import { expect, test } from 'vitest';
import type { Worker, WorkerLife } from '../../../../gateway/core/worker.ts';
import { Denials } from '../../../../gateway/policies/dispatch/denials.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { type FakeExchange, FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { good, kindOf, setUp, textOf } from './dispatch-scene.ts';

const lacks =
  (model: string) =>
  (exchange: FakeExchange): unknown =>
    exchange.answer(404, {
      error: { message: `The model \`${model}\` does not exist.`, type: 'NotFoundError', param: 'model', code: 404 },
    });

/** The first worker has not the model, all others have. */
function without(t: ReturnType<typeof setUp>) {
  return (exchange: FakeExchange): void => void (t.workers[0]!.last === exchange ? lacks(MODEL) : good)(exchange);
}

test('a call whose worker says that it has not the model goes to another, and the next ones do at once', async () => {
  const t = setUp();
  const first = await t.sendTo(without(t));
  expect(textOf(first)).toContain('Yes.');
  expect(first.call.attempts).toMatchObject([
    { worker: 'w0', askedAs: MODEL, failure: 'unserved', verdict: { kind: 'neutral' } },
    { worker: 'w1', failure: null },
  ]);
  expect(t.events.of('retried')).toEqual([[first.call, 'unserved']]);
  for (let i = 0; i < 20; i++) expect(textOf(await t.sendTo(without(t)))).toContain('Yes.');
  expect(t.asked()).toEqual([1, 21]);
});

test('nobody is blamed for it, and it costs nothing of what retries may be', async () => {
  const t = setUp({ budget_ratio: 0, breaker: { failures: 1 } });
  for (let i = 0; i < 30; i++) {
    expect(textOf(await t.sendTo(without(t)))).toContain('Yes.');
    await t.clock.advance(61_000);
  }
  expect(t.asked()[0]).toBeGreaterThan(11);
  expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
});

test('where nobody has the model the client is told so, and all are asked again and again', async () => {
  const t = setUp();
  for (let i = 1; i <= 3; i++) {
    const sent = await t.sendTo((exchange) => void lacks(MODEL)(exchange));
    expect(kindOf(sent)).toBe('no_worker');
    expect(String(sent.result)).toContain(`The worker that was asked for ${MODEL} says that it does not serve it any more.`);
    expect(t.asked()).toEqual([i, i]);
  }
  expect(textOf(await t.sendTo((exchange) => void good(exchange)))).toContain('Yes.');
});

test('with max_attempts: 1 no other is asked for this call', async () => {
  const t = setUp({ max_attempts: 1 });
  expect(kindOf(await t.sendTo(without(t)))).toBe('no_worker');
  expect(t.asked()).toEqual([1, 0]);
});

test.each([
  ['another model', lacks('other')],
  ['a path', (exchange: FakeExchange) => exchange.answer(404, { detail: 'Not Found' })],
])('a worker that has not %s, as the client asked, is not tried elsewhere, and is asked on', async (_, says) => {
  const t = setUp();
  for (let i = 0; i < 4; i++) expect(['invalid_value', 'unknown_url']).toContain(kindOf(await t.sendTo((exchange) => void says(exchange))));
  expect(t.asked()).toEqual([2, 2]);
});

test('it is left out for that model alone', async () => {
  const t = setUp();
  for (const worker of t.workers)
    worker.view = { ...worker.view, models: [...worker.view.models, { ...worker.view.models[0]!, id: 'lora' }] };
  const call = () => fakeCall({ model: 'lora' });
  for (let i = 0; i < 10; i++) {
    const sent = await t.sendTo((exchange) => void (t.workers[0]!.last === exchange ? lacks('lora') : good)(exchange), call());
    expect(textOf(sent)).toContain('Yes.');
  }
  expect(t.asked()).toEqual([1, 10]);
  for (let i = 0; i < 4; i++) await t.sendTo((exchange) => void good(exchange));
  expect(t.asked()).toEqual([3, 12]);
});

test('one that has the model again is asked as before', async () => {
  const t = setUp();
  await t.sendTo(without(t));
  await t.clock.advance(5_000);
  for (let i = 0; i < 10; i++) expect(textOf(await t.sendTo((exchange) => void good(exchange)))).toContain('Yes.');
  expect(t.asked()[0]).toBeGreaterThan(4);
});

// === what is remembered ===

const life: WorkerLife = { since: 0 };
const worker = (id: string): Worker => Object.assign(new FakeWorker(id), { life });
const [W0, W1] = [worker('w0'), worker('w1')];
const serving = (denials: Denials, now: number, workers = [W0, W1]) => denials.serving(workers, () => 'm', now);

test('after a time one call may try, and the next a moment later', () => {
  const denials = new Denials();
  expect(denials.note(W0, 'm', 'a', 0)).toBe(true);
  expect(serving(denials, 4_999)).toEqual([W1]);
  expect(serving(denials, 5_000)).toEqual([W0, W1]);
  denials.begun('w1', 'm', 5_000);
  expect(serving(denials, 5_000)).toEqual([W0, W1]);
  denials.begun('w0', 'm', 5_000);
  expect(serving(denials, 5_999)).toEqual([W1]);
  expect(serving(denials, 6_000)).toEqual([W0, W1]);
  denials.answered('w0', 'm', 6_000);
  expect(denials.size).toBe(0);
});

test('what was under way when it said so does not speak for it', () => {
  const denials = new Denials();
  denials.note(W0, 'm', 'a', 100);
  denials.answered('w0', 'm', 99);
  expect(serving(denials, 101)).toEqual([W1]);
});

test('the time grows to a minute, and only where others hear the same as well', () => {
  for (const [bodies, waits] of [
    [
      ['a', 'a', 'a', 'a'],
      [5_000, 5_000, 5_000, 5_000],
    ],
    [
      ['a', 'b', 'a', 'b', 'a', 'b'],
      [5_000, 10_000, 20_000, 40_000, 60_000, 60_000],
    ],
  ] as const) {
    const denials = new Denials();
    let now = 0;
    for (const [at, body] of bodies.entries()) {
      expect(denials.note(W0, 'm', body, now)).toBe(at === 0);
      expect(serving(denials, now + waits[at]! - 1)).toEqual([W1]);
      now += waits[at]!;
      expect(serving(denials, now)).toEqual([W0, W1]);
    }
  }
});

test('another life, and a model that it has ceased to name, begin anew', () => {
  const denials = new Denials();
  denials.note(W0, 'm', 'a', 0);
  const next = Object.assign(worker('w0'), { life: { since: 1 } });
  expect(serving(denials, 2, [next, W1])).toEqual([next, W1]);
  expect(denials.note(next, 'm', 'a', 2)).toBe(true);
  denials.forget([next, W1]);
  expect(denials.size).toBe(0);
  denials.note(W0, MODEL, 'a', 0);
  denials.forget([W0, W1]);
  expect(denials.size).toBe(1);
  denials.forget([W1]);
  expect(denials.size).toBe(0);
});

test('where all have said so, or one is alone, all are left', () => {
  const denials = new Denials();
  for (const each of [W0, W1]) denials.note(each, 'm', 'a', 0);
  expect(serving(denials, 1)).toEqual([W0, W1]);
  expect(serving(denials, 1, [W0])).toEqual([W0]);
});
