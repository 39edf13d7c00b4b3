import { describe, expect, test } from 'vitest';
import { clientGone } from '../../../support/fake-call.ts';
import { refusal, setUp } from './admission-scene.ts';

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
