import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guard, newGuard, type GuardState } from '../../../../gateway/policies/window/guardrail.ts';

const SLO_MS = 1_000;
const SLOW = SLO_MS + 1;
const FAST = SLO_MS;

function feed(state: GuardState, now: number, latencyMs: number, count = 20): void {
  for (let i = 0; i < count; i++) state.samples.push({ atMs: now, latencyMs });
}

/** Checks every 5 s for `ms`, with 20 answers of `latencyMs` before each. @returns the widths seen at each change */
function run(
  state: GuardState,
  configuredMs: number,
  from: number,
  ms: number,
  latencyMs: number | null,
): { now: number; widths: number[] } {
  const widths: number[] = [];
  let now = from;
  while (now < from + ms) {
    now += 5_000;
    if (latencyMs !== null) feed(state, now, latencyMs);
    const before = state.widthMs;
    guard(state, configuredMs, SLO_MS, now);
    if (state.widthMs !== before) widths.push(state.widthMs);
  }
  return { now, widths };
}

describe('narrowing', () => {
  test.each([
    { configured: 50, steps: [20, 0] },
    { configured: 20, steps: [0] },
    { configured: 30, steps: [20, 0] },
    { configured: 1_000, steps: [50, 20, 0] },
    { configured: 7, steps: [0] },
    { configured: 51, steps: [50, 20, 0] },
  ])('from $configured ms goes $steps, a step a breach', ({ configured, steps }) => {
    const state = newGuard(configured, 0);
    expect(run(state, configured, 0, 60_000, SLOW).widths).toEqual(steps);
    expect(state.widthMs).toBe(0);
  });

  test('needs twenty answers', () => {
    const state = newGuard(50, 0);
    feed(state, 1_000, SLOW, 19);
    guard(state, 50, SLO_MS, 5_000);
    expect(state.widthMs).toBe(50);
    feed(state, 6_000, SLOW, 1);
    guard(state, 50, SLO_MS, 10_000);
    expect(state.widthMs).toBe(20);
  });

  test('needs new answers for each step: one bad spell is punished once', () => {
    const state = newGuard(50, 0);
    feed(state, 4_000, SLOW, 500);
    guard(state, 50, SLO_MS, 5_000);
    guard(state, 50, SLO_MS, 10_000);
    guard(state, 50, SLO_MS, 15_000);
    expect(state.widthMs).toBe(20);
  });

  test('looks at the slowest twentieth: five slow answers of a hundred are within the SLO, six are not', () => {
    for (const [slow, width] of [
      [5, 50],
      [6, 20],
    ] as const) {
      const state = newGuard(50, 0);
      feed(state, 1_000, FAST, 100 - slow);
      feed(state, 1_000, SLOW, slow);
      guard(state, 50, SLO_MS, 5_000);
      expect(state.widthMs).toBe(width);
    }
  });

  test('tells the 95th percentile that it judged by', () => {
    const state = newGuard(50, 0);
    for (let i = 1; i <= 100; i++) state.samples.push({ atMs: 1_000, latencyMs: i });
    expect(guard(state, 50, SLO_MS, 5_000)).toBe(95);
  });

  test('forgets answers after a minute', () => {
    const state = newGuard(50, 0);
    feed(state, 1_000, SLOW, 19);
    feed(state, 62_000, SLOW, 19);
    guard(state, 50, SLO_MS, 62_000);
    expect(state.widthMs).toBe(50);
    expect(state.samples).toHaveLength(19);
  });
});

test('keeps the latest two thousand answers and no more', () => {
  const state = newGuard(50, 0);
  feed(state, 1_000, SLOW, 10_000);
  feed(state, 1_001, FAST, 2_000);
  guard(state, 50, SLO_MS, 5_000);
  expect(state.samples).toHaveLength(2_000);
  expect(state.widthMs).toBe(50);
});

describe('widening', () => {
  test.each([
    { configured: 50, steps: [20, 50] },
    { configured: 20, steps: [20] },
    { configured: 30, steps: [20, 30] },
    { configured: 1_000, steps: [20, 50, 1_000] },
    { configured: 7, steps: [7] },
  ])('to $configured ms goes $steps, a step a calm minute', ({ configured, steps }) => {
    const state = newGuard(configured, 0);
    const { now } = run(state, configured, 0, 60_000, SLOW);
    const calm = run(state, configured, now, 600_000, FAST);
    expect(calm.widths).toEqual(steps);
  });

  test('waits for a whole minute since the last breach', () => {
    const state = newGuard(50, 0);
    feed(state, 4_000, SLOW);
    guard(state, 50, SLO_MS, 5_000);
    for (let now = 10_000; now < 65_000; now += 5_000) guard(state, 50, SLO_MS, now);
    expect(state.widthMs).toBe(20);
    guard(state, 50, SLO_MS, 65_000);
    expect(state.widthMs).toBe(50);
  });

  test('does not happen while every minute has a breach, even at 0', () => {
    const state = newGuard(20, 0);
    let { now } = run(state, 20, 0, 5_000, SLOW);
    expect(state.widthMs).toBe(0);
    for (let minute = 0; minute < 5; minute++) {
      now = run(state, 20, now, 50_000, FAST).now;
      // Enough slow answers to outweigh the fast ones of the last minute.
      feed(state, now, SLOW, 200);
      now = run(state, 20, now, 5_000, SLOW).now;
      expect(state.widthMs).toBe(0);
    }
  });

  test('after a quiet time without any answers is one step, not all at once', () => {
    const state = newGuard(1_000, 0);
    run(state, 1_000, 0, 30_000, SLOW);
    guard(state, 1_000, SLO_MS, 10_000_000);
    expect(state.widthMs).toBe(20);
  });
});

test('whatever the answers: between 0 and what is configured, on a known step, and no two turns within a minute', () => {
  const history = fc.array(
    fc.record({ gapMs: fc.integer({ min: 0, max: 20_000 }), count: fc.integer({ min: 0, max: 40 }), slow: fc.boolean() }),
    {
      minLength: 5,
      maxLength: 120,
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000 }), history, (configured, moments) => {
      const state = newGuard(configured, 0);
      let now = 0;
      let narrowedAt = -Infinity;
      for (const { gapMs, count, slow } of moments) {
        now += gapMs;
        feed(state, now, slow ? SLOW : FAST, count);
        const before = state.widthMs;
        guard(state, configured, SLO_MS, now);
        const after = state.widthMs;
        expect([0, 20, 50, configured]).toContain(after);
        expect(after).toBeLessThanOrEqual(configured);
        if (after > before) expect(now - narrowedAt).toBeGreaterThanOrEqual(60_000);
        if (after < before) narrowedAt = now;
      }
    }),
    { numRuns: 300 },
  );
});
