import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../../../gateway/core/errors.ts';
import { Admission } from '../../../../gateway/policies/admission/admission.ts';
import { outliveWorker } from '../../../../gateway/policies/lost/outlive-worker.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import type { FakeExchange } from '../../../support/fake-worker.ts';
import { completion, MODEL } from '../../../support/fake-worker.ts';
import type { Setup } from '../dispatch/dispatch-scene.ts';
import { die, fail500, good, kindOf, refuse, setUp, textOf } from '../dispatch/dispatch-scene.ts';

const QUEUE_MS = 30_000;

/** One worker of a supervisor that starts it again when it ends, and calls that pass admission and dispatch. */
function supervised({ workers = 1, max_queue = 100, ...setup }: Setup & { max_queue?: number } = {}) {
  let admission: Admission | null = null;
  const t = setUp({
    workers,
    ...setup,
    before({ clock, events, directory }) {
      admission = new Admission({
        ...{ clock, events, directory },
        admission: () => ({ max_queue, queue_timeout_ms: QUEUE_MS, headroom: 0, reject_status: 503 }),
        pressure: () => ({ warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 }),
        timeouts: () => ({ stream_total_ms: 300_000, request_total_ms: 60_000 }),
      });
      const own = admission;
      return (next) => own.layer()(outliveWorker({ clock, events, directory, lineUpAgain: (call) => own.lineUpAgain(call) })(next));
    },
  });
  t.directory.setModel(MODEL, 'ready', null, true);
  const [worker] = t.workers;
  /** What the supervisor says a moment after the worker's end. */
  function ends(etaSeconds: number | null = 5): void {
    t.directory.setState(worker!, 'backoff');
    t.directory.setModel(MODEL, 'loading', etaSeconds, true);
  }
  function returns(): void {
    t.directory.setModel(MODEL, 'ready', null, true);
    t.directory.setState(worker!, 'ready');
  }
  const inUse = () => admission!.inUse();
  return { ...t, worker: worker!, ends, returns, inUse };
}

describe('a call whose only worker ended before a byte had come', () => {
  test.each([
    ['in the middle of it', die, 'died'],
    ['before it had the call', refuse, 'unsent'],
  ])('%s waits for what its supervisor starts instead, and is answered by that', async (_when, fails, why) => {
    const t = supervised();
    const sent = await t.sendTo(fails);
    expect(sent.result).toBeNull();
    await t.clock.advance(300);
    t.ends();
    await t.clock.advance(5000);
    expect(sent.result).toBeNull();
    expect(t.inUse()).toBe(0);
    t.returns();
    await t.settle();
    expect(t.inUse()).toBe(1);
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(sent)).toContain('Yes.');
    expect(sent.call.attempts).toMatchObject([{ failure: why }, { failure: null }]);
    expect(sent.call.journey.queueMs).toBeGreaterThanOrEqual(5000);
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
    expect(t.events.of('retried').map(([, why]) => why)).toEqual([why]);
    expect(t.events.count('admitted')).toBe(1);
  });

  test('is told at once, as soon as it is known, that the next life comes too late for it', async () => {
    const t = supervised();
    const sent = await t.sendTo(die);
    t.ends(null);
    await t.clock.advance(1000);
    expect(sent.result).toBeNull();
    t.ends(41);
    await t.clock.advance(1000);
    expect(sent.result).toMatchObject({ kind: 'model_loading', details: { retryAfterMs: 41_000 } });
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test('that waits for a life that comes in time is not sent away when the estimate grows', async () => {
    const t = supervised();
    const sent = await t.sendTo(die);
    t.ends(null);
    await t.clock.advance(1000);
    t.ends(20);
    // Early on the first estimate may be put right.
    await t.clock.advance(3000);
    t.ends(60);
    await t.clock.advance(1000);
    expect(sent.result).toBeNull();
    t.returns();
    await t.settle();
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(sent)).toContain('Yes.');
  });

  test('asks the same bytes for no third life: what died twice under it is suspect', async () => {
    const t = supervised({ max_attempts: 5 });
    const sent = await t.sendTo(die);
    t.ends();
    await t.settle();
    t.returns();
    await t.settle();
    die(t.open()[0]!);
    await t.settle();
    expect(kindOf(sent)).toBe('suspect');
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test.each([
    [1, 1],
    [2, 2],
  ])('has %i attempts in all where so many are allowed', async (max_attempts, asked) => {
    const t = supervised({ max_attempts });
    const sent = t.send();
    for (let life = 0; life < 3 && sent.result === null; life += 1) {
      await t.settle();
      refuse(t.open()[0]!);
      await t.settle();
      t.ends();
      await t.settle();
      t.returns();
    }
    await t.settle();
    expect(kindOf(sent)).toBe('upstream_disconnected');
    expect(t.asked()).toEqual([asked]);
  });

  test.each([
    ['gives it up', (exchange: FakeExchange) => exchange.answer(200, completion('abort'))],
    ['fails', fail500],
  ])('is answered by the next, too, where the worker %s because it is being stopped', async (_, fails) => {
    const t = supervised();
    const sent = t.send();
    await t.settle();
    t.ends();
    fails(t.open()[0]!);
    await t.settle();
    expect(sent.result).toBeNull();
    t.returns();
    await t.settle();
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(sent)).toContain('Yes.');
  });

  test('counts what it asked of every worker in every life', async () => {
    const t = supervised({ workers: 2, max_attempts: 3 });
    const sent = t.send();
    for (let turn = 0; turn < 8 && sent.result === null; turn += 1) {
      await t.settle();
      for (const exchange of t.open()) refuse(exchange);
      await t.settle();
      if (t.open().length > 0) continue;
      for (const worker of t.workers) t.directory.setState(worker, 'backoff');
      await t.settle();
      for (const worker of t.workers) t.directory.setState(worker, 'ready');
    }
    await t.settle();
    expect(kindOf(sent)).toBe('upstream_disconnected');
    expect(t.asked().reduce((sum, count) => sum + count, 0)).toBe(3);
  });

  test('asks another first, where there is one', async () => {
    const t = supervised({ workers: 2 });
    const sent = t.send();
    await t.settle();
    die(t.open()[0]!);
    await t.settle();
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(sent)).toContain('Yes.');
    expect(sent.call.attempts).toHaveLength(2);
    expect(t.asked()).toEqual([1, 1]);
  });

  test('is told when to come back, and why, where that takes longer than it may wait', async () => {
    const t = supervised();
    const sent = await t.sendTo(die);
    t.ends(90);
    await t.settle();
    expect(sent.result).toMatchObject({ kind: 'model_loading', status: 503, details: { retryAfterMs: 90_000 } });
    expect((sent.result as GatewayError).message).toMatch(
      /^The worker ended before it had answered\. The model .* is loading\. .* about 90 s\.$/,
    );
    expect(t.clock.pending).toBe(0);
  });

  test('is told so when the next never comes, and at once when it is known not to', async () => {
    const t = supervised();
    const [late, failed] = [await t.sendTo(die), await t.sendTo(refuse)];
    t.ends(null);
    await t.clock.advance(QUEUE_MS / 2);
    failed.call.cancellation.cancel(clientGone());
    await t.settle();
    expect(kindOf(failed)).toBe('client_disconnected');
    t.directory.setModel(MODEL, 'failed');
    await t.clock.advance(250);
    expect(kindOf(late)).toBe('no_worker');
    expect((late.result as GatewayError).message).toMatch(/^The worker ended before it had answered\. .* failed to start/);
    expect(t.clock.pending).toBe(0);
  });

  test('fails as before where nobody says within five seconds that the worker is gone', async () => {
    const t = supervised();
    const sent = await t.sendTo(die);
    await t.clock.advance(4900);
    expect(sent.result).toBeNull();
    await t.clock.advance(100);
    expect(kindOf(sent)).toBe('upstream_disconnected');
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test('fails at once where nobody supervises the worker', async () => {
    const t = supervised();
    t.directory.setModel(MODEL, 'ready', null, false);
    expect(kindOf(await t.sendTo(die))).toBe('upstream_disconnected');
  });

  test('does not wait longer than its client', async () => {
    const t = supervised();
    const sent = await t.sendTo(die);
    sent.call.cancellation.cancel(clientGone());
    await t.settle();
    expect(kindOf(sent)).toBe('client_disconnected');
    expect(t.clock.pending).toBe(0);
  });

  test('is not turned away because others wait, and goes before them', async () => {
    const t = supervised({ max_queue: 1, breaker: { failures: 100 } });
    const had = Array.from({ length: 16 }, (_, i) => t.send(fakeCall({ id: `had ${i}` })));
    const waiting = t.send(fakeCall({ id: 'waiting' }));
    await t.settle();
    for (const exchange of t.open()) refuse(exchange);
    await t.settle();
    t.ends();
    await t.settle();
    const late = t.send(fakeCall({ id: 'late' }));
    await t.settle();
    expect(kindOf(late)).toBe('queue_full');
    t.returns();
    await t.settle();
    for (const exchange of t.open()) good(exchange);
    await t.settle();
    for (const sent of had) expect(textOf(sent)).toContain('Yes.');
    expect(waiting.result).toBeNull();
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(waiting)).toContain('Yes.');
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });
});

describe('a call that comes when the breaker has opened because its worker ended', () => {
  /** So many calls have been lost that the breaker is open; the supervisor has not said anything yet. */
  async function opened(fails: (exchange: FakeExchange) => unknown = die) {
    const t = supervised({ breaker: { failures: 2 } });
    const lost = [t.send(fakeCall({ id: 'a' })), t.send(fakeCall({ id: 'b' }))];
    await t.settle();
    for (const exchange of t.open()) fails(exchange);
    await t.settle();
    expect(t.dispatch.breakers.get('w0')?.state).toBe('open');
    return { ...t, lost };
  }

  test('waits until that is known, and is sent to the next life after those it took', async () => {
    const t = await opened();
    const late = t.send(fakeCall({ id: 'late' }));
    await t.clock.advance(300);
    expect(late.result).toBeNull();
    t.ends();
    await t.clock.advance(1000);
    t.returns();
    await t.settle();
    expect(t.open()).toHaveLength(3);
    for (const exchange of t.open()) good(exchange);
    await t.settle();
    for (const sent of [...t.lost, late]) expect(textOf(sent)).toContain('Yes.');
    expect(late.call.attempts).toHaveLength(1);
    expect(t.events.of('retried')).toHaveLength(2);
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test('has all its attempts left', async () => {
    const t = await opened();
    const late = t.send(fakeCall({ id: 'late' }));
    await t.settle();
    t.ends();
    await t.settle();
    for (const { call } of t.lost) call.cancellation.cancel(clientGone());
    t.returns();
    await t.settle();
    refuse(t.open()[0]!);
    await t.settle();
    expect(late.result).toBeNull();
    t.ends();
    await t.settle();
    t.returns();
    await t.settle();
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(late)).toContain('Yes.');
  });

  test('keeps the place it has while it waits: who stands in line is not sent after it', async () => {
    const t = await opened();
    const more = Array.from({ length: 40 }, (_, i) => t.send(fakeCall({ id: `more ${i}` })));
    await t.clock.advance(300);
    expect(t.inUse()).toBe(16);
    expect(t.asked()).toEqual([2]);
    t.ends();
    t.returns();
    for (let round = 0; round < 6; round++) {
      await t.settle();
      for (const exchange of t.open()) good(exchange);
    }
    await t.settle();
    for (const sent of [...t.lost, ...more]) expect(textOf(sent)).toContain('Yes.');
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test('does not wait longer than the worker is left alone: it may live', async () => {
    const t = await opened();
    const late = t.send(fakeCall({ id: 'late' }));
    await t.clock.advance(1_300);
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(late)).toContain('Yes.');
    expect(late.call.attempts).toHaveLength(1);
    expect(late.call.journey.queueMs).toBeGreaterThan(700);
  });

  test('is refused when five seconds have told nothing, but for the one whose turn it is to ask', async () => {
    const t = await opened();
    const late = Array.from({ length: 30 }, (_, i) => t.send(fakeCall({ id: `late ${i}` })));
    await t.clock.advance(4_900);
    expect(t.asked()).toEqual([3]);
    expect(late.map(({ result }) => result)).toEqual(Array(30).fill(null));
    await t.clock.advance(1_100);
    const refused = late.filter(({ result }) => result !== null);
    expect(refused.map(kindOf)).toEqual(Array(29).fill('breaker_open'));
    good(t.open()[0]!);
    await t.settle();
    expect(textOf(late.find((sent) => !refused.includes(sent))!)).toContain('Yes.');
    expect([t.inUse(), t.clock.pending]).toEqual([0, 0]);
  });

  test('does not wait longer than its client', async () => {
    const t = await opened();
    const late = t.send(fakeCall({ id: 'late' }));
    await t.settle();
    late.call.cancellation.cancel(clientGone());
    await t.settle();
    expect(kindOf(late)).toBe('client_disconnected');
  });

  test('is refused at once where nobody supervises the worker', async () => {
    const t = await opened();
    t.directory.setModel(MODEL, 'ready', null, false);
    const late = t.send(fakeCall({ id: 'late' }));
    await t.settle();
    expect(kindOf(late)).toBe('breaker_open');
  });

  test('is refused at once where the worker lives and fails', async () => {
    const t = await opened(fail500);
    const late = t.send(fakeCall({ id: 'late' }));
    await t.settle();
    expect(kindOf(late)).toBe('breaker_open');
  });
});
