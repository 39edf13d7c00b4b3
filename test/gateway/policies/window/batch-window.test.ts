import { describe, expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import type { Handler } from '../../../../gateway/core/handler.ts';
import { BatchWindows, Window, type WindowSettings } from '../../../../gateway/policies/window/batch-window.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { MODEL } from '../../../support/fake-worker.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';
import { jsonReply } from '../../../support/json-reply.ts';

function setUp(over: Partial<WindowSettings> = {}) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const state = {
    settings: { window_ms: 20, max_batch_size: 4, guardrail: { p95_slo_ms: 5_000, enabled: true }, ...over } satisfies WindowSettings,
  };
  const windows = new BatchWindows(clock, events, () => state.settings);
  const left: { id: string; atMs: number }[] = [];
  const start = clock.now();
  let answerAfterMs = 0;
  const next: Handler = async (call) => {
    left.push({ id: call.id, atMs: clock.now() - start });
    if (answerAfterMs > 0) await new Promise<void>((resolve) => clock.after(answerAfterMs, resolve));
    return jsonReply(200, {});
  };
  let handler = windows.layer()(next);

  function enter(id: string, options: Parameters<typeof fakeCall>[0] = {}): { call: Call; done: Promise<unknown> } {
    const call = fakeCall({ id, arrivedAt: clock.now(), ...options });
    const done = handler(call).catch((error: unknown) => error);
    return { call, done };
  }

  return {
    clock,
    events,
    windows,
    state,
    left,
    next,
    enter,
    rebuild: () => (handler = windows.layer()(next)),
    answersTake: (ms: number) => (answerAfterMs = ms),
    batches: () => events.of('batchLeft').map(([, size]) => size),
    ids: () => left.map(({ id }) => id),
  };
}

describe('the window', () => {
  test('opens with the first call and closes when its width has passed since then', async () => {
    const t = setUp();
    await t.clock.advance(1_000);
    t.enter('a');
    await t.clock.advance(15);
    t.enter('b');
    await t.clock.advance(4);
    expect(t.left).toEqual([]);
    await t.clock.advance(1);
    expect(t.left).toEqual([
      { id: 'a', atMs: 1_020 },
      { id: 'b', atMs: 1_020 },
    ]);
    expect(t.batches()).toEqual([2]);
    expect(t.events.of('batchLeft')[0]![2]).toEqual([20, 5]);
  });

  test('a call that comes after it has closed opens the next', async () => {
    const t = setUp();
    t.enter('a');
    await t.clock.advance(25);
    t.enter('b');
    await t.clock.advance(19);
    expect(t.ids()).toEqual(['a']);
    await t.clock.advance(1);
    expect(t.ids()).toEqual(['a', 'b']);
    expect(t.batches()).toEqual([1, 1]);
  });

  test('a full batch leaves at once, and its timer with it', async () => {
    const t = setUp();
    for (const id of ['a', 'b', 'c', 'd']) t.enter(id);
    await t.clock.advance(0);
    expect(t.ids()).toEqual(['a', 'b', 'c', 'd']);
    expect(t.clock.pending).toBe(0);
    expect(t.windows.pending).toBe(0);
  });

  test('calls beyond a full batch begin a window of their own, with its whole width', async () => {
    const t = setUp();
    for (const id of ['a', 'b', 'c']) t.enter(id);
    await t.clock.advance(10);
    t.enter('d');
    t.enter('e');
    await t.clock.advance(19);
    expect(t.ids()).toEqual(['a', 'b', 'c', 'd']);
    await t.clock.advance(1);
    expect(t.ids()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a batch size of one holds nobody', async () => {
    const t = setUp({ max_batch_size: 1 });
    t.enter('a');
    await t.clock.advance(0);
    expect(t.ids()).toEqual(['a']);
  });

  test('each model has its own', async () => {
    const t = setUp({ max_batch_size: 2 });
    t.enter('a');
    t.enter('b', { model: 'other' });
    await t.clock.advance(0);
    expect(t.windows.pending).toBe(2);
    t.enter('c');
    await t.clock.advance(0);
    expect(t.ids()).toEqual(['a', 'c']);
    expect(t.events.of('batchLeft')).toEqual([[MODEL, 2, [0, 0]]]);
  });

  test('notes in which phase a call is, and how long it was held', async () => {
    const t = setUp();
    const a = t.enter('a');
    await t.clock.advance(5);
    const b = t.enter('b');
    expect(b.call.journey.phase).toBe('window');
    await t.clock.advance(15);
    expect([a.call.journey.windowMs, b.call.journey.windowMs]).toEqual([20, 15]);
  });

  test('counts what left, for the average batch', async () => {
    const t = setUp();
    for (const id of ['a', 'b', 'c', 'd', 'e']) t.enter(id);
    await t.clock.advance(20);
    expect([t.windows.requests, t.windows.batches]).toEqual([5, 2]);
  });

  test.each([1, 20, 50, 333])('nobody is held longer than a width of %i ms, however calls come and go', async (window_ms) => {
    const t = setUp({ window_ms, max_batch_size: 7 });
    const calls: Call[] = [];
    for (let i = 0; i < 400; i++) {
      const { call } = t.enter(`call ${i}`);
      calls.push(call);
      if (i % 11 === 5) call.cancellation.cancel(clientGone());
      await t.clock.advance((i * 7) % 13);
    }
    await t.clock.advance(window_ms);
    expect(t.windows.pending).toBe(0);
    for (const call of calls) expect(call.journey.windowMs).toBeLessThanOrEqual(window_ms);
    expect(t.clock.pending).toBe(0);
  });
});

describe('a call that is cancelled', () => {
  test('while it is held alone leaves no trace and no timer', async () => {
    const t = setUp();
    const gone = clientGone();
    const { call, done } = t.enter('a');
    await t.clock.advance(5);
    call.cancellation.cancel(gone);
    expect(await done).toBe(gone);
    expect(t.clock.pending).toBe(0);
    expect(t.windows.pending).toBe(0);
    await t.clock.advance(100);
    expect(t.left).toEqual([]);
    expect(t.batches()).toEqual([]);
    expect(call.journey.windowMs).toBe(5);
  });

  test('does not take the window from the others, nor make it longer', async () => {
    const t = setUp();
    const a = t.enter('a');
    await t.clock.advance(10);
    t.enter('b');
    a.call.cancellation.cancel(clientGone());
    await t.clock.advance(9);
    expect(t.left).toEqual([]);
    await t.clock.advance(1);
    expect(t.ids()).toEqual(['b']);
    expect(t.batches()).toEqual([1]);
  });

  test('does not count towards a full batch', async () => {
    const t = setUp();
    const leavers = ['a', 'b', 'c'].map((id) => t.enter(id));
    for (const { call } of leavers) call.cancellation.cancel(clientGone());
    t.enter('d');
    await t.clock.advance(19);
    expect(t.left).toEqual([]);
  });

  test('before it came is not held at all, and opens nothing', async () => {
    const clock = createFakeClock();
    const window = new Window(clock, () => {});
    const call = fakeCall();
    const gone = clientGone();
    call.cancellation.cancel(gone);
    await expect(window.hold(call, 20, 4)).rejects.toBe(gone);
    expect(window.pending).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('after its batch has left is no longer the window’s business', async () => {
    const t = setUp();
    const { call, done } = t.enter('a');
    await t.clock.advance(20);
    call.cancellation.cancel(clientGone());
    expect(await done).toMatchObject({ status: 200 });
  });
});

describe('off, drain and reset', () => {
  test('off is free: the layer is the next handler itself', () => {
    const t = setUp({ window_ms: 0 });
    expect(t.windows.layer()(t.next)).toBe(t.next);
  });

  test('a drain lets everyone go at once, and holds nobody from then on', async () => {
    const t = setUp();
    t.enter('a');
    t.enter('b', { model: 'other' });
    await t.clock.advance(5);
    t.windows.drain();
    t.enter('c');
    await t.clock.advance(0);
    expect(t.ids().sort()).toEqual(['a', 'b', 'c']);
    expect(t.clock.pending).toBe(0);
  });

  test('new settings: what is held leaves, and the next call meets the new width', async () => {
    const t = setUp();
    t.enter('a');
    t.state.settings = { ...t.state.settings, window_ms: 50 };
    t.windows.reset();
    t.rebuild();
    t.enter('b');
    await t.clock.advance(49);
    expect(t.ids()).toEqual(['a']);
    expect(t.windows.widths()).toEqual(new Map([[MODEL, 50]]));
    await t.clock.advance(1);
    expect(t.ids()).toEqual(['a', 'b']);
  });

  test('switched off while a call waits in front of it, it holds that call no more', async () => {
    const t = setUp();
    t.state.settings = { ...t.state.settings, window_ms: 0 };
    t.windows.reset();
    t.enter('a');
    await t.clock.advance(0);
    expect(t.ids()).toEqual(['a']);
  });
});

describe('with its guardrail', () => {
  /** One call every 100 ms, each answered `ms` after it left. */
  async function traffic(t: ReturnType<typeof setUp>, count: number, ms: number): Promise<void> {
    t.answersTake(ms);
    for (let i = 0; i < count; i++) {
      t.enter(`call ${i}`);
      await t.clock.advance(100);
    }
    await t.clock.advance(ms + 100);
  }

  test('slow answers narrow the window, and say by what', async () => {
    const t = setUp({ window_ms: 50, guardrail: { p95_slo_ms: 200, enabled: true } });
    await traffic(t, 60, 300);
    expect(t.windows.widths().get(MODEL)).toBe(20);
    expect(t.events.of('windowChanged')).toEqual([[MODEL, 50, 20, 350, 200]]);
    t.left.length = 0;
    const { call } = t.enter('late');
    await t.clock.advance(20);
    expect(t.ids()).toEqual(['late']);
    expect(call.journey.windowMs).toBe(20);
  });

  test('narrowed to 0 it holds nobody, and still looks whether it may widen again', async () => {
    const t = setUp({ window_ms: 20, guardrail: { p95_slo_ms: 200, enabled: true } });
    await traffic(t, 60, 300);
    expect(t.windows.widths().get(MODEL)).toBe(0);
    await traffic(t, 1_000, 10);
    expect(t.windows.widths().get(MODEL)).toBe(20);
  });

  test('switched off it keeps its width whatever happens, and remembers nothing for when it is switched on', async () => {
    const t = setUp({ window_ms: 50, guardrail: { p95_slo_ms: 200, enabled: false } });
    await traffic(t, 100, 300);
    expect(t.windows.widths().get(MODEL)).toBe(50);
    t.state.settings = { ...t.state.settings, guardrail: { p95_slo_ms: 200, enabled: true } };
    await traffic(t, 55, 10);
    expect(t.windows.widths().get(MODEL)).toBe(50);
    await traffic(t, 60, 300);
    expect(t.windows.widths().get(MODEL)).toBe(20);
  });
});
