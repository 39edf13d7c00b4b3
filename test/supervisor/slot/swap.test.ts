import { describe, expect, test } from 'vitest';
import type { SlotFacts } from '../../../supervisor/slot/facts.ts';
import type { SwapCosts } from '../../../supervisor/slot/forecast.ts';
import { expectMs } from '../../../supervisor/slot/forecast.ts';
import { LOOK_MS, nextMove, QUIET_MS, UNUSED_MS } from '../../../supervisor/slot/swap.ts';
import type { Wish } from '../../../supervisor/slot/wish.ts';

const NOW = 100_000;
const DWELL_MS = 30_000;

/** Serves `a`, has done so for long, and nobody uses it. */
function slot(over: Partial<SlotFacts> = {}): SlotFacts {
  return {
    id: 'worker-1',
    models: ['a', 'b', 'c', 'd'],
    phase: 'serving',
    model: 'a',
    readySinceMs: 0,
    usedAtMs: 0,
    seenAtMs: NOW,
    wasUsed: true,
    dwellMs: DWELL_MS,
    idleUnloadMs: null,
    fallback: null,
    asleep: [],
    ...over,
  };
}

function wish(model: string, over: Partial<Wish> = {}): Wish {
  return { model, by: 'calls', sinceMs: NOW, boundMs: 20_000, ...over };
}

function load(model: string, id = 'worker-1') {
  return { kind: 'load', slot: id, model };
}

describe('without wishes', () => {
  test('nothing changes, and nobody needs to look again', () => {
    expect(nextMove([slot(), slot({ id: 'worker-2', phase: 'resting', model: null })], [], NOW)).toEqual({ kind: 'keep', lookAtMs: null });
  });

  test('a model without work for as long as its profile says is unloaded, but only after a look', () => {
    const idle = slot({ idleUnloadMs: 60_000, usedAtMs: NOW - 60_000 });
    expect(nextMove([idle], [], NOW)).toEqual({ kind: 'unload', slot: 'worker-1' });
    expect(nextMove([{ ...idle, seenAtMs: NOW - 1 }], [], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + LOOK_MS });
    expect(nextMove([{ ...idle, usedAtMs: NOW - 50_000 }], [], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + 10_000 });
  });

  test('what was well before comes back when its successor fails', () => {
    const failed = slot({ phase: 'failed', model: 'b' });
    expect(nextMove([{ ...failed, fallback: 'a' }], [], NOW)).toEqual(load('a'));
    expect(nextMove([failed], [], NOW)).toEqual({ kind: 'keep', lookAtMs: null });
  });
});

test('a slot that may not have a model is never taken for it, however idle, and is no hope for who waits', () => {
  const other = slot({ id: 'worker-2', model: null, models: ['c'], phase: 'resting' });
  const busy = slot({ models: ['a', 'b'], usedAtMs: NOW });
  expect(nextMove([other, busy], [wish('b')], NOW)).toMatchObject({ kind: 'keep' });
  expect(nextMove([other, { ...busy, usedAtMs: 0 }], [wish('b')], NOW)).toEqual(load('b'));
  const costs: SwapCosts = { left: () => 0, leave: () => 0, start: () => 1000, dwell: () => 0 };
  expect(expectMs('b', [other], [], NOW, costs)).toBeNull();
  expect(expectMs('c', [other, busy], [wish('b')], NOW, costs)).toBe(1000);
});

describe('a wish of calls', () => {
  test.each<[string, Partial<SlotFacts>]>([
    ['at rest', { phase: 'resting', model: null }],
    ['failed', { phase: 'failed', model: 'a' }],
    ['serving a model that nobody uses any more', {}],
    ['waiting to try a model again that nobody wants', { phase: 'recovering' }],
  ])('takes a slot that is %s at once', (_what, over) => {
    expect(nextMove([slot(over)], [wish('b')], NOW)).toEqual(load('b'));
  });

  test.each<[string, Partial<SlotFacts>]>([
    ['has what is wished', { model: 'b' }],
    ['is about to have it', { model: 'b', phase: 'moving' }],
    ['is in the middle of something', { phase: 'moving' }],
    ['was drained by an operator', { phase: 'held', model: null }],
  ])('leaves a slot alone that %s', (_what, over) => {
    expect(nextMove([slot(over)], [wish('b')], NOW)).toEqual({ kind: 'keep', lookAtMs: null });
  });

  test('waits for the dwell, however idle the model', () => {
    const fresh = slot({ readySinceMs: NOW - 10_000 });
    expect(nextMove([fresh], [wish('b')], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + 20_000 });
    expect(nextMove([fresh], [wish('b')], NOW + 19_999)).toMatchObject({ kind: 'keep' });
    expect(nextMove([fresh], [wish('b')], NOW + 20_000)).toEqual(load('b'));
  });

  test('does not wait for the dwell of a model that nobody came for, once a look has shown that', () => {
    const unused = slot({ readySinceMs: NOW - UNUSED_MS, usedAtMs: NOW - UNUSED_MS, wasUsed: false });
    expect(nextMove([unused], [wish('b')], NOW)).toEqual(load('b'));
    const unseen = { ...unused, seenAtMs: NOW - 1 };
    expect(nextMove([unseen], [wish('b', { sinceMs: NOW - 5000 })], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + LOOK_MS });
    const fresh = { ...unused, readySinceMs: NOW - 500 };
    expect(nextMove([fresh], [wish('b')], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + UNUSED_MS - 500 });
    expect(nextMove([{ ...unused, dwellMs: 0 }], [wish('b')], NOW - UNUSED_MS + QUIET_MS)).toEqual(load('b'));
  });

  test('waits while the model in its way has work, up to its bound', () => {
    const used = (nowMs: number) => slot({ usedAtMs: nowMs - QUIET_MS / 2, seenAtMs: nowMs });
    expect(nextMove([used(NOW)], [wish('b')], NOW)).toEqual({ kind: 'keep', lookAtMs: NOW + LOOK_MS });
    expect(nextMove([used(NOW + 19_900)], [wish('b')], NOW + 19_900)).toEqual({ kind: 'keep', lookAtMs: NOW + 20_000 });
    expect(nextMove([used(NOW + 20_000)], [wish('b')], NOW + 20_000)).toEqual(load('b'));
  });

  test('is not met before somebody has looked whether the model in its way has work, unless no answer comes', () => {
    const unseen = slot({ seenAtMs: NOW - 5000 });
    expect(nextMove([unseen], [wish('b')], NOW)).toMatchObject({ kind: 'keep' });
    expect(nextMove([unseen], [wish('b')], NOW + 1000)).toEqual(load('b'));
  });

  test('that came first is met first, whatever the order of the list, and a later one does not take the slot that it waits for', () => {
    const wishes = [wish('c', { sinceMs: NOW - 1 }), wish('b', { sinceMs: NOW - 2 })];
    expect(nextMove([slot()], wishes, NOW)).toEqual(load('b'));
    const impatient = [wish('c', { sinceMs: NOW - 1, boundMs: 0 }), wish('b', { sinceMs: NOW - 2 })];
    expect(nextMove([slot({ usedAtMs: NOW })], impatient, NOW)).toMatchObject({ kind: 'keep' });
  });

  test('takes the slot that can be had first, then the one that was used longest ago', () => {
    const [one, two] = [slot({ usedAtMs: 20 }), slot({ id: 'worker-2', usedAtMs: 10 })];
    expect(nextMove([one, two], [wish('b')], NOW)).toEqual(load('b', 'worker-2'));
    expect(nextMove([{ ...one, phase: 'resting', model: null }, two], [wish('b')], NOW)).toEqual(load('b', 'worker-1'));
    expect(nextMove([one, { ...two, readySinceMs: NOW }], [wish('b')], NOW)).toEqual(load('b', 'worker-1'));
  });

  test('takes the slot in which its model sleeps, of those that can be had', () => {
    const slots = [slot(), slot({ id: 'worker-2', asleep: ['c', 'b'] }), slot({ id: 'worker-3', usedAtMs: -1 })];
    expect(nextMove(slots, [wish('b')], NOW)).toEqual(load('b', 'worker-2'));
    expect(nextMove(slots, [wish('d')], NOW)).toEqual(load('d', 'worker-3'));
  });

  test('does not take the slot of a model that is wished for itself and is to be tried again, before its bound', () => {
    const recovering = slot({ phase: 'recovering' });
    const wishes = [wish('a'), wish('b')];
    expect(nextMove([recovering], wishes, NOW)).toMatchObject({ kind: 'keep' });
    expect(nextMove([recovering], wishes, NOW + 20_000)).toEqual(load('b'));
  });
});

describe('the word of an operator', () => {
  test.each<[string, Partial<SlotFacts>]>([
    ['the dwell', { readySinceMs: NOW }],
    ['work', { usedAtMs: NOW }],
    ['having been drained', { phase: 'held', model: null }],
  ])('does not wait for %s', (_what, over) => {
    expect(nextMove([slot(over)], [wish('b', { by: 'operator' })], NOW)).toEqual(load('b'));
  });

  test('goes before calls, and waits for what is under way', () => {
    const order = wish('c', { by: 'operator' });
    expect(nextMove([slot()], [wish('b', { sinceMs: 0 }), order], NOW)).toEqual(load('c'));
    expect(nextMove([slot({ phase: 'moving' })], [order], NOW)).toEqual({ kind: 'keep', lookAtMs: null });
  });

  test('tries a model again that has failed', () => {
    expect(nextMove([slot({ phase: 'failed', model: 'b' })], [wish('b', { by: 'operator' })], NOW)).toEqual(load('b'));
  });
});

describe('when a model will be ready', () => {
  const costs: SwapCosts = {
    left: () => 7000,
    leave: () => 2000,
    start: (model, slotId) => (slotId === 'worker-9' ? 1000 : model === 'b' ? 10_000 : 40_000),
    dwell: () => DWELL_MS,
  };
  const expected = (model: string, slots: readonly SlotFacts[], wishes: readonly Wish[] = []) => expectMs(model, slots, wishes, NOW, costs);

  test.each<[string, Partial<SlotFacts>, number | null]>([
    ['it is', { model: 'b' }, 0],
    ['it is on its way', { model: 'b', phase: 'moving' }, 7000],
    ['nothing is loaded', { model: null, phase: 'resting' }, 10_000],
    ['another may go', {}, 12_000],
    ['another has to stay a while', { readySinceMs: NOW - 10_000 }, 32_000],
    ['another is being loaded', { phase: 'moving' }, 7000 + DWELL_MS + 12_000],
    ['another has failed', { phase: 'failed' }, 10_000],
    ['the slot is held', { phase: 'held', model: null }, null],
  ])('and %s', (_what, over, ms) => {
    expect(expected('b', [slot(over)])).toBe(ms);
  });

  test('it is the slot where it takes least that counts', () => {
    expect(expected('b', [slot(), slot({ id: 'worker-9', asleep: ['b'] })])).toBe(3000);
  });

  test('those who came before count, those who come after do not', () => {
    const before = wish('c', { sinceMs: NOW - 1 });
    expect(expected('b', [slot()], [before])).toBe(2000 + 40_000 + DWELL_MS + 12_000);
    expect(expected('b', [slot()], [before, wish('b', { sinceMs: NOW - 2 })])).toBe(12_000);
    expect(expected('b', [slot(), slot({ id: 'worker-2' })], [before])).toBe(12_000);
  });
});
