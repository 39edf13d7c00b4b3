import { describe, expect, test } from 'vitest';
import type { Life } from '../../../supervisor/machine/life.ts';
import { factsOf } from '../../../supervisor/slot/facts.ts';
import { nextIdleMs } from '../../../supervisor/slot/sleepers.ts';
import { step } from '../../../supervisor/slot/slot.ts';
import type { Seat, SlotEffect, SlotEvent, SlotRules, SlotState } from '../../../supervisor/slot/state.ts';
import { newSlot } from '../../../supervisor/slot/state.ts';
import { failureOf } from '../machine/machine-world.ts';

const NOW = 100_000;
const process = { pid: 7, spawnedAtMs: 0 };
const FAILURE = failureOf('never');

const LIVES = {
  idle: { state: 'idle' },
  starting: { state: 'starting', step: 'spawning' },
  ready: { state: 'ready', process, sinceMs: 0, pulse: {} as Extract<Life, { state: 'ready' }>['pulse'] },
  draining: { state: 'draining', step: 'dozing', process },
  stopping: { state: 'stopping', step: 'leader', process, then: { kind: 'rest' }, untold: null },
  asleep: { state: 'asleep', process },
  backoff: { state: 'backoff', untilMs: 0 },
  failed: { state: 'failed', failure: FAILURE },
} as const satisfies Record<string, Life>;

/** `a` and `b` sleep, `c` ends; one may sleep. */
const RULES: SlotRules = {
  maxAsleep: 1,
  models: new Map([
    ['a', { sleeps: true, dwellMs: 1, idleUnloadMs: null }],
    ['b', { sleeps: true, dwellMs: 2, idleUnloadMs: 60_000 }],
    ['c', { sleeps: false, dwellMs: 3, idleUnloadMs: null }],
  ]),
};

class Played {
  state: SlotState;
  nowMs = NOW;

  constructor(state: SlotState = newSlot('a')) {
    this.state = state;
  }

  get seat(): Seat {
    return this.state.seat;
  }

  get asleep(): string[] {
    return this.state.sleepers.map(({ model, isEnding }) => (isEnding ? `${model} ending` : model));
  }

  /** What is done about an event, in words. */
  on(event: SlotEvent): string[] {
    const { slot, effects } = step(RULES, this.state, event, { nowMs: this.nowMs, wallMs: this.nowMs + 1 });
    this.state = slot;
    return effects.map(inWords);
  }

  swap(to: string | null): string[] {
    return this.on({ type: 'swap', to });
  }

  hears(model: string, ...states: (keyof typeof LIVES)[]): string[] {
    return states.flatMap((state) => this.on({ type: 'worker', model, life: LIVES[state] }));
  }
}

function inWords(effect: SlotEffect): string {
  switch (effect.type) {
    case 'tell':
      return `${effect.wish} ${effect.model}`;
    case 'load':
      return `load ${effect.model} after ${effect.after}`;
    case 'note_leave':
      return `${effect.model} left in ${effect.tookMs}`;
    case 'give_up':
      return `give up ${effect.model}`;
  }
}

function serving(model: string, ...sleepers: string[]): Played {
  return new Played({
    seat: { kind: 'serving', model },
    sleepers: sleepers.map((sleeper, nth) => ({ model: sleeper, sinceMs: nth, isEnding: false })),
  });
}

describe('a start', () => {
  test('loads the first model, once', () => {
    const slot = new Played();
    expect(slot.on({ type: 'start' })).toEqual(['start a']);
    slot.hears('a', 'starting', 'ready');
    expect(slot.seat).toEqual({ kind: 'serving', model: 'a' });
    expect(slot.on({ type: 'start' })).toEqual([]);
  });

  test('leaves alone what an earlier supervisor has left, and wakes the first model where it sleeps', () => {
    const left = new Played(newSlot('b'));
    left.hears('a', 'asleep');
    left.hears('b', 'ready');
    expect([left.seat.kind, left.asleep]).toEqual(['serving', ['a']]);
    expect(left.on({ type: 'start' })).toEqual([]);

    const sleeping = new Played();
    sleeping.hears('a', 'asleep');
    sleeping.hears('b', 'asleep');
    expect(sleeping.asleep).toEqual(['a', 'b']);
    expect(sleeping.on({ type: 'start' })).toEqual(['start a']);
    expect(sleeping.asleep).toEqual(['b']);
  });

  test('ends what was left asleep beyond what may sleep', () => {
    const slot = new Played(newSlot('c'));
    expect([...slot.hears('a', 'asleep'), ...slot.hears('b', 'asleep')]).toEqual(['stop a']);
  });
});

describe('a swap', () => {
  test('loads the next model when nothing is left of the one before, and notes how long that took', () => {
    const slot = serving('c');
    expect(slot.swap('a')).toEqual(['stop c']);
    expect(slot.seat).toMatchObject({ kind: 'vacating', model: 'c', to: 'a', swap: { from: 'c', sinceMs: NOW, startedAtMs: NOW + 1 } });
    slot.nowMs += 700;
    expect(slot.hears('c', 'draining', 'stopping')).toEqual([]);
    expect(slot.hears('c', 'idle')).toEqual(['c left in 700', 'load a after c']);
    expect(slot.seat).toMatchObject({ kind: 'coming', model: 'a', swap: { from: 'c', fallback: 'c' } });
    slot.hears('a', 'starting', 'ready');
    expect(slot.seat).toEqual({ kind: 'serving', model: 'a' });
  });

  test('puts to sleep what sleeps by its rules, and wakes what sleeps', () => {
    const slot = serving('a');
    expect(slot.swap('c')).toEqual(['sleep a']);
    expect(slot.hears('a', 'draining', 'asleep')).toEqual(['a left in 0', 'load c after a']);
    slot.hears('c', 'starting', 'ready');
    expect(slot.asleep).toEqual(['a']);
    expect(slot.swap('a')).toEqual(['stop c']);
    expect(slot.hears('c', 'idle')).toEqual(['c left in 0', 'load a after c']);
    expect(slot.asleep).toEqual([]);
  });

  test('ends those that have slept for longest where there would be too many, and waits until they are gone', () => {
    const slot = serving('a', 'b');
    expect(slot.swap('c')).toEqual(['stop b', 'sleep a']);
    expect(slot.hears('a', 'asleep')).toEqual([]);
    expect(slot.asleep).toEqual(['b ending', 'a']);
    expect(slot.hears('b', 'stopping')).toEqual([]);
    expect(slot.hears('b', 'idle')).toEqual(['a left in 0', 'load c after a']);
  });

  test('ends nobody to make room for one that sleeps already', () => {
    const slot = serving('a', 'b');
    expect(slot.swap('b')).toEqual(['sleep a']);
    expect(slot.hears('a', 'asleep')).toEqual(['a left in 0', 'load b after a']);
    expect(slot.asleep).toEqual(['a']);
  });

  test('goes on when the model that fell asleep for it dies', () => {
    const slot = serving('a', 'b');
    slot.swap('c');
    slot.hears('a', 'asleep', 'stopping');
    expect(slot.hears('b', 'idle')).toEqual([]);
    expect(slot.hears('a', 'idle')).toEqual(['a left in 0', 'load c after a']);
    expect(slot.asleep).toEqual([]);
  });

  test('to nobody ends what sleeps as well', () => {
    const slot = serving('a', 'b');
    expect(slot.swap(null)).toEqual(['stop b', 'stop a']);
    slot.hears('a', 'idle');
    expect(slot.seat.kind).toBe('vacating');
    expect(slot.hears('b', 'idle')).toEqual(['a left in 0']);
    expect(slot.state).toEqual({ seat: { kind: 'empty', model: 'a' }, sleepers: [] });
  });

  test('is not heard while another is under way, unless that one waits to try again', () => {
    const slot = serving('c');
    slot.swap('a');
    expect(slot.swap('b')).toEqual([]);
    slot.hears('c', 'idle');
    slot.hears('a', 'starting');
    expect(slot.swap('b')).toEqual([]);
    slot.hears('a', 'backoff');
    expect(slot.swap('b')).toEqual(['stop a']);
    // It was never ready: nothing to note and nothing to go back to.
    expect(slot.hears('a', 'idle')).toEqual(['load b after a']);
    expect(slot.seat).toMatchObject({ swap: { from: 'a', fallback: null } });
  });

  test('ends a model that is only starting by itself, for an operator who wants it unloaded', () => {
    const slot = new Played();
    slot.on({ type: 'start' });
    expect(slot.swap(null)).toEqual(['stop a']);
    slot.hears('a', 'idle');
    expect(slot.seat.kind).toBe('empty');
  });
});

describe('a model that is given up', () => {
  test('is told of once, with what was well before it', () => {
    const slot = serving('c');
    slot.swap('a');
    slot.hears('c', 'idle');
    expect(slot.hears('a', 'starting', 'stopping', 'failed', 'failed')).toEqual(['give up a']);
    expect(slot.seat).toEqual({ kind: 'failed', model: 'a', failure: FAILURE, fallback: 'c' });
    expect(slot.swap('c')).toEqual(['stop a']);
    expect(slot.hears('a', 'stopping', 'idle')).toEqual(['load c after a']);
  });

  test('starts anew when it is wanted again, or by itself', () => {
    const slot = new Played({ seat: { kind: 'failed', model: 'a', failure: FAILURE, fallback: null }, sleepers: [] });
    expect(slot.swap('a')).toEqual(['restart a']);
    slot.hears('a', 'failed');
    expect(slot.hears('a', 'stopping', 'starting')).toEqual([]);
    expect(slot.seat).toMatchObject({ kind: 'coming', swap: null });
  });

  test('and cannot be ended keeps its slot: nothing is loaded beside it', () => {
    const slot = serving('c');
    slot.swap('a');
    expect(slot.hears('c', 'stopping', 'failed')).toEqual(['give up c']);
    expect(slot.seat).toEqual({ kind: 'held', model: 'c', isGone: false });
    expect(slot.swap('a')).toEqual(['stop c']);
    expect(slot.hears('c', 'stopping', 'failed')).toEqual(['give up c']);
    expect(slot.seat.kind).toBe('held');
  });
});

describe('an operator who takes a slot out of service', () => {
  test('ends what is there and what sleeps, and nothing comes back by itself', () => {
    const slot = serving('a', 'b');
    expect(slot.on({ type: 'hold' })).toEqual(['drain a', 'stop b']);
    expect([...slot.hears('a', 'draining', 'stopping', 'idle'), ...slot.hears('b', 'idle')]).toEqual([]);
    expect(slot.state).toEqual({ seat: { kind: 'held', model: 'a', isGone: true }, sleepers: [] });
    expect(slot.on({ type: 'restart' })).toEqual(['restart a']);
    expect(slot.seat.kind).toBe('coming');
  });

  test('and wants the same model at once has it when everything is gone that is being ended', () => {
    const slot = serving('a', 'b');
    slot.on({ type: 'hold' });
    slot.hears('a', 'idle');
    // As long as a sleeper takes to end the slot is not free, and nobody asks again and again.
    expect(slot.swap('a')).toEqual([]);
    expect(slot.seat).toMatchObject({ kind: 'vacating', to: 'a', isGone: true, swap: { from: null } });
    expect(slot.hears('b', 'idle')).toEqual(['load a after a']);
  });

  test('is not heard with a restart while the slot is being cleared', () => {
    const slot = serving('c');
    slot.swap('a');
    expect(slot.on({ type: 'restart' })).toEqual([]);
    expect(slot.on({ type: 'hold' })).toEqual(['drain c']);
    expect(slot.seat.kind).toBe('held');
  });

  test('restarts what is swapped in without ending the swap', () => {
    const slot = serving('c');
    slot.swap('a');
    slot.hears('c', 'idle');
    expect(slot.on({ type: 'restart' })).toEqual(['restart a']);
    expect(slot.seat).toMatchObject({ kind: 'coming', swap: { from: 'c' } });
  });
});

describe('what sleeps', () => {
  test('ends when an operator wants its memory, when the model beside it needs room, and when it was unused for too long', () => {
    expect(serving('c', 'a').on({ type: 'end_sleeper', model: 'a' })).toEqual(['stop a']);
    expect(serving('c', 'a').on({ type: 'end_sleeper', model: 'b' })).toEqual([]);
    expect(serving('c', 'a').on({ type: 'make_room' })).toEqual(['stop a']);
    const slot = serving('c', 'b');
    expect(nextIdleMs(RULES, slot.state)).toBe(60_000);
    slot.nowMs = 59_999;
    expect(slot.on({ type: 'time' })).toEqual([]);
    slot.nowMs = 60_000;
    expect(slot.on({ type: 'time' })).toEqual(['stop b']);
    expect(slot.on({ type: 'time' })).toEqual([]);
    expect(nextIdleMs(RULES, slot.state)).toBe(Infinity);
  });

  test('and dies is forgotten, and what serves beside it notices nothing', () => {
    const slot = serving('c', 'a');
    expect([...slot.hears('a', 'stopping'), ...slot.hears('a', 'idle')]).toEqual([]);
    expect(slot.state).toEqual({ seat: { kind: 'serving', model: 'c' }, sleepers: [] });
    expect(slot.swap('a')).toEqual(['stop c']);
    expect(slot.hears('c', 'idle')).toEqual(['c left in 0', 'load a after c']);
  });
});

describe('a slot for those who decide', () => {
  const swap = { from: 'a', fallback: 'a', sinceMs: 0, startedAtMs: 0 };
  test.each<[Seat, object]>([
    [
      { kind: 'empty', model: 'a' },
      { phase: 'resting', model: null },
    ],
    [
      { kind: 'vacating', model: 'a', isGone: false, to: 'b', swap },
      { phase: 'moving', model: 'b', dwellMs: 2, idleUnloadMs: 60_000 },
    ],
    [
      { kind: 'vacating', model: 'a', isGone: true, to: null, swap },
      { phase: 'moving', model: null },
    ],
    [
      { kind: 'coming', model: 'a', isPausing: false, swap },
      { phase: 'moving', model: 'a' },
    ],
    [
      { kind: 'coming', model: 'a', isPausing: true, swap },
      { phase: 'recovering', model: 'a' },
    ],
    [
      { kind: 'serving', model: 'a' },
      { phase: 'serving', model: 'a', dwellMs: 1, idleUnloadMs: null, fallback: null },
    ],
    [
      { kind: 'failed', model: 'b', failure: FAILURE, fallback: 'a' },
      { phase: 'failed', model: 'b', fallback: 'a' },
    ],
    [
      { kind: 'held', model: 'a', isGone: true },
      { phase: 'held', model: null },
    ],
  ])('%o', (seat, facts) => {
    const sleepers = [
      { model: 'c', sinceMs: 0, isEnding: true },
      { model: 'b', sinceMs: 0, isEnding: false },
    ];
    const worker = { readySinceMs: 5, usedAtMs: 6, seenAtMs: 7, wasUsed: true };
    expect(factsOf('worker-1', RULES, { seat, sleepers }, worker)).toMatchObject({ id: 'worker-1', asleep: ['b'], ...worker, ...facts });
  });
});
