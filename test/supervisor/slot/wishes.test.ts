import { describe, expect, test } from 'vitest';
import type { SlotFacts } from '../../../supervisor/slot/facts.ts';
import type { SwapCosts } from '../../../supervisor/slot/forecast.ts';
import type { Situation } from '../../../supervisor/slot/standing.ts';
import { obstacle, standingOf } from '../../../supervisor/slot/standing.ts';
import type { WishBook } from '../../../supervisor/slot/wishes.ts';
import { decide, drain, EMPTY_BOOK, giveUp, isGivenUp, order, settle, wish } from '../../../supervisor/slot/wishes.ts';
import { failureOf } from '../machine/machine-world.ts';

const NOW = 100_000;
const RETRY_MS = 600_000;
const COSTS: SwapCosts = { left: () => 7000, leave: () => 2000, start: () => 10_000, dwell: () => 30_000 };

/** Has served `a` for long, and nobody uses it. */
function slot(over: Partial<SlotFacts> = {}): SlotFacts {
  return {
    ...{ id: 'worker-1', phase: 'serving', model: 'a', readySinceMs: 0, usedAtMs: 0, seenAtMs: NOW, wasUsed: true },
    ...{ dwellMs: 0, idleUnloadMs: null, fallback: null, asleep: [], models: ['a', 'b', 'c', 'd'] },
    ...over,
  };
}

const HELD = slot({ phase: 'held', model: null });
const calls = (model: string, book: WishBook = EMPTY_BOOK, nowMs = NOW) => wish(book, model, 1, 20_000, nowMs);

function situation(over: Partial<Situation> = {}): Situation {
  const models = new Map([
    ['a', null],
    ['b', null],
    ['large', 'It does not fit.'],
  ]);
  return { models, book: EMPTY_BOOK, slots: [slot()], isStopping: false, nowMs: NOW, ...over };
}

describe('a wish of calls', () => {
  test('is kept as long as it is repeated at least once a minute, with the time of its first', () => {
    const book = calls('b', calls('b'), NOW + 50_000);
    expect(book.wishes.get('b')).toMatchObject({ sinceMs: NOW, heardAtMs: NOW + 50_000, boundMs: 20_000 });
    const moving = [slot({ phase: 'moving', model: 'c' })];
    expect(decide(book, moving, NOW + 50_000)).toEqual({ kind: 'keep', lookAtMs: NOW + 110_000 });
    expect(settle(book, moving, NOW + 109_999).wishes.size).toBe(1);
    expect(settle(book, moving, NOW + 110_000).wishes.size).toBe(0);
  });

  test('ends when a slot serves its model', () => {
    expect(settle(calls('b'), [slot({ model: 'b', phase: 'moving' })], NOW).wishes.size).toBe(1);
    expect(settle(calls('b'), [slot({ model: 'b' })], NOW).wishes.size).toBe(0);
  });

  test('does not make a wish of an order', () => {
    expect(calls('b', order(EMPTY_BOOK, 'b', NOW - 1)).wishes.get('b')).toMatchObject({ by: 'operator', waiting: 1 });
  });
});

describe('a model that was given up', () => {
  const passing = giveUp(calls('b'), 'b', failureOf('backoff'), NOW, RETRY_MS);
  const hopeless = giveUp(calls('b'), 'b', failureOf('never'), NOW, RETRY_MS);

  test('is no longer wished for, and refused to calls until it is tried once more, or for good', () => {
    expect(passing.wishes.size).toBe(0);
    expect(isGivenUp(passing, 'b', NOW + RETRY_MS - 1)).toBe(true);
    expect(isGivenUp(passing, 'b', NOW + RETRY_MS)).toBe(false);
    expect(isGivenUp(hopeless, 'b', NOW + 1000 * RETRY_MS)).toBe(true);
  });

  test('is told of with its reason, and not kept from an operator', () => {
    const failed = situation({ book: hopeless });
    expect(obstacle(failed, 'b')).toEqual({ kind: 'conflict', reason: 'b was given up. It failed.' });
    expect(standingOf(failed, 'b', COSTS)).toMatchObject({ state: 'failed', loadable: false, reason: 'It failed.' });
    expect(obstacle(failed, 'b', true)).toBeNull();
    expect(isGivenUp(order(hopeless, 'b', NOW), 'b', NOW)).toBe(false);
    expect(isGivenUp(settle(hopeless, [slot({ model: 'b' })], NOW), 'b', NOW)).toBe(false);
  });

  test('is not gone back to', () => {
    const failed = slot({ phase: 'failed', model: 'c', fallback: 'b' });
    expect(decide(EMPTY_BOOK, [failed], NOW)).toEqual({ kind: 'load', slot: 'worker-1', model: 'b' });
    expect(decide(hopeless, [failed], NOW)).toEqual({ kind: 'keep', lookAtMs: null });
  });
});

describe('an operator who drains', () => {
  test('takes back his orders for that slot, and all of them where it was the last', () => {
    const book = order(order(calls('a'), 'b', NOW), 'c', NOW);
    expect([...drain(book, slot({ phase: 'moving', model: 'b' }), [HELD, slot()]).wishes.keys()]).toEqual(['a', 'c']);
    expect([...drain(book, slot(), [HELD]).wishes.keys()]).toEqual(['a']);
  });

  test('is not overruled by calls, but by his own word', () => {
    expect(decide(calls('b'), [HELD], NOW)).toMatchObject({ kind: 'keep' });
    expect(decide(order(EMPTY_BOOK, 'b', NOW), [HELD], NOW)).toMatchObject({ kind: 'load', model: 'b' });
    const reason = 'Every worker was drained by an operator.';
    expect(obstacle(situation({ slots: [HELD] }), 'b')).toEqual({ kind: 'conflict', reason });
    expect(obstacle(situation({ slots: [HELD, slot()] }), 'b')).toBeNull();
  });
});

describe('how a model stands', () => {
  test.each<[string, Partial<Situation>, string, object]>([
    ['it is loaded', {}, 'a', { state: 'ready', loadable: true, etaSeconds: null, asleep: false }],
    ['it may be loaded', {}, 'b', { state: 'available', loadable: true, etaSeconds: 12 }],
    ['it sleeps', { slots: [slot({ asleep: ['b'] })] }, 'b', { state: 'available', asleep: true }],
    ['it is on its way', { slots: [slot({ phase: 'moving', model: 'b' })] }, 'b', { state: 'loading', etaSeconds: 7 }],
    ['it cannot run here', {}, 'large', { state: 'failed', loadable: false, reason: 'It does not fit.' }],
    ['every slot was drained', { slots: [HELD] }, 'a', { state: 'available', loadable: false, reason: null }],
    ['the supervisor stops', { isStopping: true }, 'b', { state: 'available', loadable: false }],
  ])('where %s', (_what, over, model, standing) => {
    expect(standingOf(situation(over), model, COSTS)).toMatchObject(standing);
  });
});
