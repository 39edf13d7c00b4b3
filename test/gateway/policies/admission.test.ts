import { describe, expect, test } from 'vitest';
import type { Call } from '../../../gateway/core/call.ts';
import { GatewayError, type ErrorKind } from '../../../gateway/core/errors.ts';
import type { Lease } from '../../../gateway/core/lease.ts';
import { jsonReply } from '../../../gateway/core/reply.ts';
import { Admission, type AdmissionSettings } from '../../../gateway/policies/admission.ts';
import type { PressureSettings } from '../../../gateway/policies/pressure.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { clientGone, fakeCall, type FakeCallOptions } from '../../support/fake-call.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { FakeWorker, MODEL } from '../../support/fake-worker.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

const PRESSURE: PressureSettings = { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 };

/** `slots` places at one worker, unless there are others. */
function setUp({ slots = 1, workers = [new FakeWorker('w0', { maxNumSeqs: slots })], ...over }: Setup = {}) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const directory = new FakeDirectory(clock, workers);
  const settings: { -readonly [K in keyof AdmissionSettings]: AdmissionSettings[K] } = {
    max_queue: 100,
    queue_timeout_ms: 30_000,
    headroom: 0,
    reject_status: 503,
    ...over,
  };
  const admission = new Admission({ clock, events, directory, admission: () => settings, pressure: () => PRESSURE });
  const order: string[] = [];
  const leases = new Map<string, Lease>();

  /** Enters a call; what becomes of it is found in `order`, `leases` and the promise. */
  function enter(options: FakeCallOptions = {}): { call: Call; refused: Promise<GatewayError | null> } {
    const call = fakeCall(options);
    const refused = admission
      .room(call.model)
      .enter(call)
      .then(
        (lease) => {
          order.push(call.id);
          leases.set(call.id, lease);
          return null;
        },
        (error: GatewayError) => error,
      );
    return { call, refused };
  }

  function leave(id: string): void {
    const lease = leases.get(id);
    if (!lease) throw new Error(`${id} has no place`);
    lease.release();
  }

  return { clock, events, directory, admission, settings, workers, enter, leave, order, leases, settle: () => clock.advance(0) };
}

type Setup = Partial<AdmissionSettings> & { slots?: number; workers?: FakeWorker[] };

async function refusal(entered: { refused: Promise<GatewayError | null> }): Promise<GatewayError> {
  const error = await entered.refused;
  if (!error) throw new Error('the call was let in');
  return error;
}

describe('places', () => {
  test('as many calls enter as there are places, and the next when one leaves', async () => {
    const t = setUp({ slots: 2 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    expect(t.admission.inUse()).toBe(2);
    expect(t.admission.depth('interactive')).toBe(1);
    t.leave('a');
    await t.settle();
    expect(t.order).toEqual(['a', 'b', 'c']);
    expect(t.admission.depth('interactive')).toBe(0);
  });

  test('a place is given back once, however often it is released', async () => {
    const t = setUp({ slots: 1 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    for (let i = 0; i < 5; i++) t.leave('a');
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    expect(t.admission.inUse()).toBe(1);
  });

  test('headroom is rounded down, and a worker always has one place', async () => {
    const t = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 5 })], headroom: 0.25 });
    for (let i = 0; i < 10; i++) t.enter();
    await t.settle();
    expect(t.admission.inUse()).toBe(6);

    const small = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 1 })] });
    Object.assign(small.workers[0]!.load, { scrapedAt: 1000, kvUsage: 0.95, waiting: 0 });
    small.enter({ id: 'a' });
    await small.settle();
    expect(small.order).toEqual(['a']);
  });

  test('each model has its own', async () => {
    const other = new FakeWorker('w1', { maxNumSeqs: 1, models: [{ id: 'other', root: null, parent: null, maxModelLen: null }] });
    const t = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 1 }), other] });
    t.enter({ id: 'a' });
    t.enter({ id: 'b' });
    t.enter({ id: 'c', model: 'other' });
    await t.settle();
    expect(t.order).toEqual(['a', 'c']);
  });

  test('a worker that becomes ready lets the line move up at once', async () => {
    const workers = [new FakeWorker('w0', { maxNumSeqs: 1 }), new FakeWorker('w1', { maxNumSeqs: 2, state: 'starting' })];
    const t = setUp({ workers });
    for (const id of ['a', 'b', 'c', 'd']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a']);
    t.directory.setState(workers[1]!, 'ready');
    await t.settle();
    expect(t.order).toEqual(['a', 'b', 'c']);
  });

  test('a worker that goes takes its places with it: nobody enters until as many have left', async () => {
    const workers = [new FakeWorker('w0', { maxNumSeqs: 2 }), new FakeWorker('w1', { maxNumSeqs: 2 })];
    const t = setUp({ workers });
    for (const id of ['a', 'b', 'c', 'd', 'e']) t.enter({ id });
    await t.settle();
    t.directory.setState(workers[1]!, 'stopping');
    t.leave('a');
    t.leave('b');
    await t.settle();
    expect(t.order).toHaveLength(4);
    t.leave('c');
    await t.settle();
    expect(t.order).toHaveLength(5);
  });

  test('pressure takes places away, and the line moves up when it falls, without anyone leaving', async () => {
    const t = setUp({ slots: 4 });
    const { load } = t.workers[0]!;
    Object.assign(load, { scrapedAt: t.clock.now(), kvUsage: 0.95, waiting: 0 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    Object.assign(load, { kvUsage: 0.2 });
    await t.clock.advance(300);
    expect(t.order).toEqual(['a', 'b', 'c']);
  });

  test('a cancelled call does not enter, though there is room', async () => {
    const t = setUp();
    const call = fakeCall();
    const gone = clientGone();
    call.cancellation.cancel(gone);
    await expect(t.admission.room(MODEL).enter(call)).rejects.toBe(gone);
    expect(t.admission.inUse()).toBe(0);
  });
});

describe('the line', () => {
  test('is served in the order of arrival', async () => {
    const t = setUp();
    const ids = Array.from({ length: 30 }, (_, i) => `call ${i}`);
    for (const id of ids) t.enter({ id });
    for (const id of ids) {
      await t.settle();
      t.leave(id);
    }
    expect(t.order).toEqual(ids);
  });

  test('interactive calls go before batch calls, even those that came first and are next in line', async () => {
    const t = setUp();
    t.enter({ id: 'running' });
    t.enter({ id: 'batch 1', priority: 'batch' });
    t.enter({ id: 'batch 2', priority: 'batch' });
    await t.settle();
    t.enter({ id: 'interactive 1' });
    t.enter({ id: 'interactive 2' });
    expect(t.admission.depth('batch')).toBe(2);
    expect(t.admission.depth('interactive')).toBe(2);
    for (const id of ['running', 'interactive 1', 'interactive 2', 'batch 1', 'batch 2']) {
      await t.settle();
      t.leave(id);
    }
    expect(t.order).toEqual(['running', 'interactive 1', 'interactive 2', 'batch 1', 'batch 2']);
  });

  test('nobody who comes when a place is free overtakes those who wait', async () => {
    const t = setUp();
    t.enter({ id: 'a' });
    t.enter({ id: 'b' });
    await t.settle();
    t.leave('a');
    t.enter({ id: 'c' });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
  });

  test('several places that come free together go to several who wait', async () => {
    const t = setUp({ slots: 3 });
    for (let i = 0; i < 8; i++) t.enter({ id: `call ${i}` });
    await t.settle();
    for (let i = 0; i < 3; i++) t.leave(`call ${i}`);
    await t.settle();
    expect(t.order).toHaveLength(6);
    expect(t.admission.inUse()).toBe(3);
  });

  test('notes how long a call waited, on entering and on leaving alike', async () => {
    const t = setUp({ queue_timeout_ms: 100 });
    const a = t.enter({ id: 'a' });
    const b = t.enter({ id: 'b' });
    const c = t.enter({ id: 'c' });
    await t.settle();
    expect(b.call.journey.phase).toBe('queue');
    await t.clock.advance(40);
    t.leave('a');
    await t.clock.advance(100);
    expect([a, b, c].map(({ call }) => call.journey.queueMs)).toEqual([0, 40, 100]);
  });
});

describe('leaving the line', () => {
  test.each(['the first', 'the last', 'one in the middle'])(
    '%s who is cancelled leaves at once, and the others keep their order',
    async (which) => {
      const t = setUp();
      t.enter({ id: 'running' });
      const waiting = ['a', 'b', 'c'].map((id) => t.enter({ id }));
      await t.settle();
      const leaver = waiting[which === 'the first' ? 0 : which === 'the last' ? 2 : 1]!;
      const gone = clientGone();
      leaver.call.cancellation.cancel(gone);
      expect(await leaver.refused).toBe(gone);
      expect(t.admission.depth('interactive')).toBe(2);
      const rest = waiting.filter((entered) => entered !== leaver).map(({ call }) => call.id);
      for (const id of ['running', ...rest]) {
        t.leave(id);
        await t.settle();
      }
      expect(t.order).toEqual(['running', ...rest]);
      expect(t.admission.inUse()).toBe(0);
      expect(t.clock.pending).toBe(0);
    },
  );

  test('a call that waited too long is refused, and says when to come back', async () => {
    const t = setUp({ queue_timeout_ms: 5_000 });
    t.enter({ id: 'running' });
    const late = t.enter();
    await t.clock.advance(4_999);
    expect(t.admission.depth('interactive')).toBe(1);
    await t.clock.advance(1);
    const error = await refusal(late);
    expect(error.kind).toBe('queue_timeout');
    expect(error.details.retryAfterMs).toBe(5_000);
    expect(t.admission.depth('interactive')).toBe(0);
  });

  test('a call that is given a place and cancelled in the same moment neither keeps the place nor stops the line', async () => {
    const t = setUp();
    t.enter({ id: 'running' });
    const b = t.enter({ id: 'b' });
    t.enter({ id: 'c' });
    await t.settle();
    t.leave('running');
    b.call.cancellation.cancel(clientGone());
    await t.settle();
    // It has its place: the next policy sees the cancellation and gives the place back.
    expect(t.order).toEqual(['running', 'b']);
    t.leave('b');
    await t.settle();
    expect(t.order).toEqual(['running', 'b', 'c']);
  });

  test('a call that is cancelled and would be given the place in the same moment leaves it to the next', async () => {
    const t = setUp();
    t.enter({ id: 'running' });
    const b = t.enter({ id: 'b' });
    t.enter({ id: 'c' });
    await t.settle();
    b.call.cancellation.cancel(clientGone());
    t.leave('running');
    await t.settle();
    expect(t.order).toEqual(['running', 'c']);
    expect(t.admission.inUse()).toBe(1);
  });

  test('ten thousand calls that come and go leave nothing behind', async () => {
    const t = setUp({ slots: 3, max_queue: 50, queue_timeout_ms: 400 });
    const outcomes = { entered: 0, refused: 0, gone: 0 };
    for (let i = 0; i < 10_000; i++) {
      const { call, refused } = t.enter({ priority: i % 3 === 0 ? 'batch' : 'interactive' });
      void refused.then((error) => {
        if (error === null) outcomes.entered++;
        else if (error.kind === 'client_disconnected') outcomes.gone++;
        else outcomes.refused++;
      });
      if (i % 7 === 0) call.cancellation.cancel(clientGone());
      if (i % 4 === 0) {
        await t.clock.advance(10);
        for (const [id, lease] of [...t.leases].slice(0, 4)) {
          lease.release();
          t.leases.delete(id);
        }
      }
    }
    for (let i = 0; i < 100; i++) {
      await t.clock.advance(10);
      for (const lease of t.leases.values()) lease.release();
    }
    expect(outcomes.entered + outcomes.refused + outcomes.gone).toBe(10_000);
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(100);
    expect(t.admission.inUse()).toBe(0);
    expect(t.admission.depth('interactive') + t.admission.depth('batch')).toBe(0);
    expect(t.clock.pending).toBe(0);
  });
});

describe('refusals', () => {
  test('the bound is looked at before a call is added: the one too many is refused at once', async () => {
    const t = setUp({ max_queue: 3 });
    t.enter({ id: 'running' });
    for (let i = 0; i < 3; i++) t.enter();
    const error = await refusal(t.enter());
    expect(error.kind).toBe('queue_full');
    expect(error.status).toBe(503);
    expect(t.admission.depth('interactive')).toBe(3);
  });

  test('with a bound of 0 nobody waits, and whoever finds a place enters', async () => {
    const t = setUp({ max_queue: 0 });
    t.enter({ id: 'a' });
    expect((await refusal(t.enter())).kind).toBe('queue_full');
    t.leave('a');
    t.enter({ id: 'b' });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
  });

  test('both priorities share the bound', async () => {
    const t = setUp({ max_queue: 2 });
    t.enter();
    t.enter({ priority: 'batch' });
    t.enter({ priority: 'batch' });
    expect((await refusal(t.enter())).kind).toBe('queue_full');
  });

  test('status 429 says slow_down and rate_limit_error, full or too late', async () => {
    const t = setUp({ max_queue: 1, reject_status: 429, queue_timeout_ms: 50 });
    t.enter();
    const late = t.enter();
    const full = await refusal(t.enter());
    await t.clock.advance(50);
    for (const error of [full, await refusal(late)]) {
      expect([error.status, error.details.type, error.details.code]).toEqual([429, 'rate_limit_error', 'slow_down']);
    }
  });

  test('when every worker’s cache is full, new calls are refused at once, with 503 whatever reject_status says', async () => {
    const t = setUp({ slots: 8, reject_status: 429 });
    Object.assign(t.workers[0]!.load, { scrapedAt: t.clock.now(), kvUsage: 0.97, waiting: 3 });
    const error = await refusal(t.enter());
    expect(error.kind).toBe('kv_pressure');
    expect(error.status).toBe(503);
    expect(error.details.retryAfterMs).toBeGreaterThan(0);
  });

  test.each<{
    state: 'loading' | 'failed' | 'available' | 'ready';
    eta: number | null;
    kind: ErrorKind;
    retryAfterMs: number;
    says: RegExp;
  }>([
    { state: 'loading', eta: 42, kind: 'model_loading', retryAfterMs: 42_000, says: /in about 42 s/ },
    { state: 'loading', eta: null, kind: 'model_loading', retryAfterMs: 5_000, says: /is loading\.$/ },
    { state: 'failed', eta: null, kind: 'no_worker', retryAfterMs: 5_000, says: /failed to start/ },
    { state: 'available', eta: null, kind: 'no_worker', retryAfterMs: 5_000, says: /No worker/ },
  ])('with no worker ready, a model that is $state (ETA $eta) is refused as $kind', async ({ state, eta, kind, retryAfterMs, says }) => {
    const t = setUp({ workers: [new FakeWorker('w0', { state: 'starting' })] });
    t.directory.setModel(MODEL, state, eta);
    const error = await refusal(t.enter());
    expect(error.kind).toBe(kind);
    expect(error.status).toBe(503);
    expect(error.details.retryAfterMs).toBe(retryAfterMs);
    expect(error.message).toMatch(says);
  });

  test('the time to come back grows with the line', async () => {
    const t = setUp({ max_queue: 0 });
    t.enter({ id: 'first' });
    await t.clock.advance(2_000);
    t.leave('first');
    t.enter();
    const waits: number[] = [];
    for (const max_queue of [0, 5, 20, 80]) {
      t.settings.max_queue = max_queue;
      while (t.admission.depth('interactive') < max_queue) t.enter();
      waits.push((await refusal(t.enter())).details.retryAfterMs!);
    }
    expect(waits).toEqual([2_000, 12_000, 42_000, 162_000]);
  });

  test('a call whose wait would be more than twice what it may be is refused at once, given evidence', async () => {
    const t = setUp({ queue_timeout_ms: 10_000 });
    for (let i = 0; i < 20; i++) {
      t.enter({ id: `served ${i}` });
      await t.clock.advance(5_000);
      t.leave(`served ${i}`);
    }
    t.enter();
    const waiting = [t.enter(), t.enter(), t.enter()];
    await t.settle();
    expect(t.admission.depth('interactive')).toBe(waiting.length);
    t.enter();
    const error = await refusal(t.enter());
    expect(error.kind).toBe('queue_timeout');
    expect(error.message).toMatch(/about 25 s/);
  });

  test('without evidence nobody is refused by an estimate', async () => {
    const t = setUp({ queue_timeout_ms: 10 });
    for (let i = 0; i < 50; i++) t.enter();
    await t.settle();
    expect(t.admission.depth('interactive')).toBe(49);
  });
});

describe('as a layer', () => {
  test('holds the place until the reply has ended, not until the handler returns', async () => {
    const t = setUp();
    const reply = jsonReply(200, {});
    const handler = t.admission.layer()(async () => reply);
    await handler(fakeCall());
    await t.settle();
    expect(t.admission.inUse()).toBe(1);
    reply.ended.settle({ kind: 'complete', status: 200 });
    await t.settle();
    expect(t.admission.inUse()).toBe(0);
    expect(t.events.count('admitted')).toBe(1);
  });

  test('gives the place back when the next handler throws', async () => {
    const t = setUp();
    const error = new Error('broken');
    const handler = t.admission.layer()(() => Promise.reject(error));
    await expect(handler(fakeCall())).rejects.toBe(error);
    expect(t.admission.inUse()).toBe(0);
  });

  test('tells why it refused, but not when the client simply left', async () => {
    const t = setUp({ max_queue: 1 });
    const handler = t.admission.layer()(async () => jsonReply(200, {}));
    await handler(fakeCall());
    const left = fakeCall();
    const leaving = handler(left);
    await expect(handler(fakeCall())).rejects.toThrow('Too many requests');
    left.cancellation.cancel(clientGone());
    await expect(leaving).rejects.toThrow('closed the connection');
    expect(t.events.of('rejected').map(([, reason]) => reason)).toEqual(['queue_full']);
  });

  test('a deadline that passes in the line is a refusal with its own reason', async () => {
    const t = setUp();
    const handler = t.admission.layer()(async () => jsonReply(200, {}));
    await handler(fakeCall());
    const call = fakeCall();
    const waiting = handler(call);
    await t.settle();
    call.cancellation.cancel(new GatewayError('deadline', 'too long'));
    await expect(waiting).rejects.toThrow('too long');
    expect(t.events.of('rejected').map(([, reason]) => reason)).toEqual(['deadline']);
  });
});
