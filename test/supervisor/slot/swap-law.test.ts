import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SlotFacts } from '../../../supervisor/slot/facts.ts';
import { nextMove, UNUSED_MS, unmet } from '../../../supervisor/slot/swap.ts';
import type { Wish } from '../../../supervisor/slot/wish.ts';

// A world of slots, loads that take their time, and calls that come and go. Between happenings it is looked at only when the decision
// asked for it: a wish that is forgotten would never be met.

const MODELS = ['a', 'b', 'c', 'd'] as const;
const LOAD_MS = 4000;
/** Beyond dwell, bound and load: looks, quiet and patience. */
const SLACK_MS = 3000;

const happening = fc.record({
  afterMs: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
  ),
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('calls' as const) },
    { weight: 1, arbitrary: fc.constant('operator' as const) },
    { weight: 3, arbitrary: fc.constantFrom('busy', 'quiet') },
  ),
  model: fc.constantFrom(...MODELS),
});
const scene = fc.record({
  slots: fc.integer({ min: 1, max: 3 }),
  dwellMs: fc.constantFrom(0, 1000, 30_000),
  boundMs: fc.constantFrom(0, 2000, 20_000),
  orders: fc.boolean(),
  /** Those who wished for a model use it once it is there. */
  loyal: fc.boolean(),
  happenings: fc.array(happening, { minLength: 5, maxLength: 60 }),
});

type Scene = typeof scene extends fc.Arbitrary<infer T> ? T : never;

interface Slot {
  facts: SlotFacts;
  /** When its load ends. */
  readyAtMs: number | null;
}

interface Met {
  readonly wish: Wish;
  readonly atMs: number;
}

function play({ slots: count, dwellMs, boundMs, orders, loyal, happenings }: Scene) {
  let nowMs = 0;
  const slots: Slot[] = Array.from({ length: count }, (_, index) => ({
    facts: {
      ...{ id: `worker-${index + 1}`, phase: 'serving', model: MODELS[index]!, readySinceMs: 0, usedAtMs: 0, seenAtMs: 0, wasUsed: false },
      ...{ dwellMs, idleUnloadMs: null, fallback: null, asleep: [], models: ['a', 'b', 'c', 'd'] },
    },
    readyAtMs: null,
  }));
  const busy = new Set<string>();
  let wishes: Wish[] = [];
  const met: Met[] = [];
  const loads: { atMs: number; by: Wish['by'] | undefined; slot: SlotFacts; model: string; others: (string | null)[] }[] = [];

  /** Everything that follows at this moment. @returns when to look again */
  function decide(): number {
    for (;;) {
      for (const slot of slots) {
        if (slot.readyAtMs !== null && slot.readyAtMs <= nowMs) {
          slot.readyAtMs = null;
          slot.facts = { ...slot.facts, phase: 'serving', readySinceMs: nowMs, usedAtMs: nowMs, wasUsed: false };
        }
        const { phase, model } = slot.facts;
        if (phase !== 'serving') continue;
        const isUsed = busy.has(model!);
        const { usedAtMs, wasUsed } = slot.facts;
        const came = loyal && wishes.some((wish) => wish.model === model);
        slot.facts = { ...slot.facts, seenAtMs: nowMs, usedAtMs: isUsed ? nowMs : usedAtMs, wasUsed: wasUsed || isUsed || came };
        for (const wish of wishes) if (wish.model === model) met.push({ wish, atMs: nowMs });
        wishes = wishes.filter((wish) => wish.model !== model);
      }
      const facts = slots.map((slot) => slot.facts);
      const move = nextMove(facts, wishes, nowMs);
      if (move.kind === 'keep') return move.lookAtMs ?? Infinity;
      if (move.kind === 'unload') throw new Error('nobody has asked for that');
      const slot = slots.find(({ facts: { id } }) => id === move.slot)!;
      const by = wishes.find(({ model }) => model === move.model)?.by;
      loads.push({ atMs: nowMs, by, slot: slot.facts, model: move.model, others: facts.map(({ model }) => model) });
      slot.facts = { ...slot.facts, phase: 'moving', model: move.model };
      slot.readyAtMs = nowMs + LOAD_MS;
    }
  }

  function runUntil(endMs: number): void {
    for (;;) {
      const lookMs = decide();
      const nextMs = Math.min(lookMs, ...slots.map(({ readyAtMs }) => readyAtMs ?? Infinity));
      expect(nextMs).toBeGreaterThan(nowMs);
      if (nextMs > endMs) break;
      nowMs = nextMs;
    }
    nowMs = endMs;
  }

  for (const { afterMs, kind, model } of happenings) {
    runUntil(nowMs + afterMs);
    if (kind === 'busy') busy.add(model);
    else if (kind === 'quiet') busy.delete(model);
    else if (kind === 'calls' || orders) {
      // As those who keep wishes do: one a model, and only for what is not there.
      const has = slots.some(({ facts }) => facts.phase === 'serving' && facts.model === model);
      if (!has && !wishes.some((wish) => wish.model === model)) wishes.push({ model, by: kind, sinceMs: nowMs, boundMs });
    }
  }
  runUntil(nowMs + 10 * (LOAD_MS + dwellMs + boundMs + SLACK_MS));
  return { met, loads, wishes, slots: slots.map(({ facts }) => facts), nowMs };
}

test('calls never take a slot before its model has had its dwell, or nobody came for it; and nobody takes one in the middle of something', () => {
  const kinds = new Set<boolean>();
  fc.assert(
    fc.property(scene, (input) => {
      for (const { atMs, by, slot } of play(input).loads) {
        expect(slot.phase).not.toBe('moving');
        if (by !== 'calls') continue;
        const keptMs = slot.wasUsed ? input.dwellMs : Math.min(input.dwellMs, UNUSED_MS);
        expect(atMs - slot.readySinceMs).toBeGreaterThanOrEqual(keptMs);
        if (atMs - slot.readySinceMs < input.dwellMs) kinds.add(slot.wasUsed);
      }
    }),
    { numRuns: 400 },
  );
  expect(kinds).toEqual(new Set([false]));
});

test('no model is loaded that a slot has already, nor without a wish for it', () => {
  fc.assert(
    fc.property(scene, (input) => {
      for (const { by, model, others } of play(input).loads) {
        expect(by).toBeDefined();
        expect(others).not.toContain(model);
      }
    }),
    { numRuns: 400 },
  );
});

test('every wish is met: within the turns of the models that may come before it, as long as no operator interferes', () => {
  let longest = 0;
  fc.assert(
    fc.property(scene, (input) => {
      const calm = { ...input, orders: false };
      const { met, wishes } = play(calm);
      expect(wishes).toEqual([]);
      const turnMs = LOAD_MS + calm.dwellMs + calm.boundMs + SLACK_MS;
      for (const { wish, atMs } of met) {
        longest = Math.max(longest, (atMs - wish.sinceMs) / turnMs);
        expect(atMs - wish.sinceMs).toBeLessThanOrEqual((MODELS.length - 1) * turnMs);
      }
    }),
    { numRuns: 400 },
  );
  expect(longest).toBeGreaterThan(1);
});

test('on one slot calls are met in the order of their first wish', () => {
  fc.assert(
    fc.property(scene, (input) => {
      const { met } = play({ ...input, slots: 1, orders: false });
      const swapped = met.filter(({ wish, atMs }) => atMs > wish.sinceMs).map(({ wish }) => wish.sinceMs);
      expect(swapped).toEqual(swapped.toSorted((a, b) => a - b));
    }),
    { numRuns: 200 },
  );
});

test('when every wish is met there is nothing to do and nothing to look for', () => {
  fc.assert(
    fc.property(scene, (input) => {
      const { slots, wishes, nowMs } = play(input);
      expect(unmet(slots, wishes)).toEqual([]);
      expect(nextMove(slots, wishes, nowMs)).toEqual({ kind: 'keep', lookAtMs: null });
    }),
    { numRuns: 200 },
  );
});
