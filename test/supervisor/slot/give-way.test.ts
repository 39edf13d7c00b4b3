import { describe, expect, test } from 'vitest';
import type { Life } from '../../../supervisor/machine/life.ts';
import type { SlotFacts } from '../../../supervisor/slot/facts.ts';
import { step } from '../../../supervisor/slot/slot.ts';
import type { SlotEvent, SlotRules, SlotState } from '../../../supervisor/slot/state.ts';
import { nextMove } from '../../../supervisor/slot/swap.ts';
import { failureOf } from '../machine/machine-world.ts';

/** `a` sleeps, `c` ends; one may sleep. */
const RULES: SlotRules = {
  maxAsleep: 1,
  models: new Map([
    ['a', { sleeps: true, dwellMs: 1, idleUnloadMs: null }],
    ['b', { sleeps: true, dwellMs: 1, idleUnloadMs: null }],
    ['c', { sleeps: false, dwellMs: 1, idleUnloadMs: null }],
  ]),
};
const PROCESS = { pid: 7, spawnedAtMs: 0 };
const CLEARING: Life = { state: 'starting', step: 'clearing', sleeper: null };
const READY: Life = { state: 'ready', process: PROCESS, sinceMs: 0, pulse: {} as Extract<Life, { state: 'ready' }>['pulse'] };

class Played {
  state: SlotState;

  constructor(seat: SlotState['seat'], sleepers: SlotState['sleepers'] = []) {
    this.state = { seat, sleepers };
  }

  on(event: SlotEvent): string[] {
    const { slot, effects } = step(RULES, this.state, event, { nowMs: 100, wallMs: 200 });
    this.state = slot;
    return effects.map((effect) => (effect.type === 'tell' ? `${effect.wish} ${effect.model}` : `${effect.type} ${effect.model}`));
  }

  hears(model: string, life: Life): string[] {
    return this.on({ type: 'worker', model, life });
  }
}

describe('a slot whose card is lent', () => {
  test('puts its model to sleep and asks for it again at once; that waits for the card', () => {
    const slot = new Played({ kind: 'serving', model: 'a' });
    expect(slot.on({ type: 'give_way' })).toEqual(['sleep a']);
    expect(slot.state.seat).toEqual({ kind: 'vacating', model: 'a', isGone: false, to: 'a', swap: null });
    // No swap, so none is told of, and no time to leave is learned from it.
    expect(slot.hears('a', { state: 'asleep', process: PROCESS })).toEqual(['load a']);
    expect(slot.hears('a', { ...CLEARING, sleeper: PROCESS })).toEqual([]);
    expect(slot.state).toEqual({ seat: { kind: 'coming', model: 'a', isPausing: false, swap: null }, sleepers: [] });
    slot.hears('a', READY);
    expect(slot.state.seat).toEqual({ kind: 'serving', model: 'a' });
  });

  test('ends what cannot sleep, and what only starts, and leaves those alone that sleep beside it', () => {
    const sleeper = { model: 'b', sinceMs: 0, isEnding: false };
    const slot = new Played({ kind: 'serving', model: 'c' }, [sleeper]);
    expect(slot.on({ type: 'give_way' })).toEqual(['stop c']);
    expect(slot.hears('c', { state: 'idle' })).toEqual(['load c']);
    const swap = { from: 'c', fallback: 'c', sinceMs: 1, startedAtMs: 1 };
    const coming = new Played({ kind: 'coming', model: 'a', isPausing: false, swap }, [sleeper]);
    expect(coming.on({ type: 'give_way' })).toEqual(['stop a']);
    expect(coming.hears('a', { state: 'idle' })).toEqual(['load a']);
    // A swap that it interrupts is one still, with what to go back to.
    expect(coming.state).toMatchObject({ seat: { kind: 'coming', model: 'a', swap }, sleepers: [sleeper] });
  });

  test('sleeps with one more than may sleep beside a model that serves: nobody serves', () => {
    const slot = new Played({ kind: 'serving', model: 'a' }, [{ model: 'b', sinceMs: 0, isEnding: false }]);
    slot.on({ type: 'give_way' });
    expect(slot.hears('a', { state: 'asleep', process: PROCESS })).toEqual(['load a']);
    expect(slot.state.sleepers.map(({ model }) => model)).toEqual(['b']);
  });

  test('has nothing to do where nothing is to run, or is on its way out already', () => {
    const failure = failureOf('never');
    const swap = { from: 'a', fallback: 'a', sinceMs: 1, startedAtMs: 1 };
    for (const seat of [
      { kind: 'empty', model: 'a' },
      { kind: 'failed', model: 'a', failure, fallback: null },
      { kind: 'held', model: 'a', isGone: false },
      { kind: 'vacating', model: 'a', isGone: false, to: 'c', swap },
    ] as const) {
      const slot = new Played(seat);
      expect(slot.on({ type: 'give_way' })).toEqual([]);
      expect(slot.state.seat).toEqual(seat);
    }
  });

  test('is drained and stopped as ever while it makes way', () => {
    const slot = new Played({ kind: 'serving', model: 'a' });
    slot.on({ type: 'give_way' });
    expect(slot.on({ type: 'hold' })).toEqual(['drain a']);
    expect(slot.hears('a', { state: 'idle' })).toEqual([]);
    expect(slot.state.seat).toEqual({ kind: 'held', model: 'a', isGone: true });
  });
});

test('a model that is wanted is loaded where the card is not lent, if not at once', () => {
  const base = {
    ...{ models: ['a', 'c'], readySinceMs: 0, usedAtMs: 0, seenAtMs: 0, wasUsed: true, dwellMs: 30_000 },
    ...{ idleUnloadMs: null, fallback: null, asleep: [] },
  };
  const lent: SlotFacts = { ...base, id: 'worker-1', phase: 'resting', model: null, lent: ['a', 'c'] };
  const serving: SlotFacts = { ...base, id: 'worker-2', phase: 'serving', model: 'a' };
  const wish = { model: 'c', by: 'calls', sinceMs: 0, boundMs: 60_000 } as const;
  expect(nextMove([lent, serving], [wish], 10_000)).toMatchObject({ kind: 'keep' });
  expect(nextMove([lent, serving], [wish], 30_000)).toEqual({ kind: 'load', slot: 'worker-2', model: 'c' });
  expect(nextMove([lent], [{ ...wish, by: 'operator' }], 90_000)).toEqual({ kind: 'keep', lookAtMs: null });
  expect(nextMove([{ ...lent, lent: [] }], [wish], 90_000)).toMatchObject({ kind: 'load', slot: 'worker-1' });
  const failed: SlotFacts = { ...lent, phase: 'failed', model: 'c', fallback: 'a' };
  expect(nextMove([failed], [], 0)).toEqual({ kind: 'keep', lookAtMs: null });
});
