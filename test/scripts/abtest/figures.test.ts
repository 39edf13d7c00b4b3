import { describe, expect, test } from 'vitest';
import { armsOfModels, armsOfSettings } from '../../../scripts/abtest/design/arm.ts';
import { chanceOfBlock, plannedSlots } from '../../../scripts/abtest/design/blocks.ts';
import { CALLS_OF_A_SLOT, twinPrompts, twinsOfFile } from '../../../scripts/abtest/design/prompts.ts';
import { armSummaries } from '../../../scripts/abtest/figures/arm-summaries.ts';
import { comparePairs, compare, type Comparison, type Judging, wholeBlocks } from '../../../scripts/abtest/figures/comparison.ts';
import { decide } from '../../../scripts/abtest/figures/decision.ts';
import { opinionsOf } from '../../../scripts/abtest/figures/guardrail.ts';
import { readMetric, valueOf } from '../../../scripts/abtest/figures/metric.ts';
import { trustOf } from '../../../scripts/abtest/figures/trust.ts';
import { windowIn } from '../../../scripts/abtest/live/gateway-view.ts';
import { effectText, percent } from '../../../scripts/abtest/report/words.ts';
import { call, slot } from './slots.ts';

describe('the design', () => {
  test('each block holds every arm once, in orders of chance that a seed repeats', () => {
    const slots = plannedSlots(3, 200, 7);
    expect(slots.map(({ number }) => number)).toEqual(Array.from({ length: 600 }, (_, i) => i));
    const orders = Map.groupBy(slots, ({ block }) => block);
    const counts = new Map<string, number>();
    for (const block of orders.values()) {
      const order = block.map(({ arm }) => arm).join('');
      expect([...order].toSorted().join('')).toBe('012');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(Math.min(...counts.values())).toBeGreaterThan(15);
    expect(plannedSlots(3, 200, 7)).toEqual(slots);
    expect(plannedSlots(3, 200, 8)).not.toEqual(slots);
    expect(new Set(Array.from({ length: 500 }, (_, block) => chanceOfBlock(1, block)())).size).toBe(500);
  });

  test('prompts of a block are as long for each arm and never the same', () => {
    const lengths = { kind: 'lognormal', median: 40, sigma: 0.8 } as const;
    const prompts = twinPrompts({ input: lengths, output: lengths, prefixGroups: 0, prefixTokens: 1 }, 3, 2);
    const of = (slotNumber: number, call_: number) => prompts(slotNumber * CALLS_OF_A_SLOT + call_);
    const tokens = ({ text }: { text: string }): number => text.split(' ').length;
    for (let i = 0; i < 20; i++) {
      expect(of(0, i).outputTokens).toBe(of(1, i).outputTokens);
      expect(tokens(of(0, i))).toBe(tokens(of(1, i)));
      expect(of(0, i).text).not.toBe(of(1, i).text);
    }
    const next = Array.from({ length: 20 }, (_, i) => tokens(of(2, i)));
    expect(next).not.toEqual(Array.from({ length: 20 }, (_, i) => tokens(of(0, i))));
  });

  test('those of a file are the same but for their beginning, in messages too', () => {
    const messages = [{ role: 'user', content: 'why?' }];
    const prompts = twinsOfFile([{ text: 'why?', outputTokens: 5, fields: { messages } }], 1, 2);
    const [a, b] = [prompts(0), prompts(CALLS_OF_A_SLOT)];
    expect(a.text).toMatch(/: why\?$/);
    expect(a.text).not.toBe(b.text);
    expect(a.fields).toEqual({ messages: [{ role: 'user', content: a.text }] });
  });

  test('arms are paired by position, have names, and may be the same', () => {
    expect(armsOfSettings([{ path: 'batch_window.window_ms', values: [0, 20] }])).toMatchObject([{ name: '0 ms' }, { name: '20 ms' }]);
    expect(
      armsOfSettings([
        { path: 'batch_window.window_ms', values: [0, 20] },
        { path: 'admission.headroom', values: [0.1, 0.2] },
      ]),
    ).toMatchObject([{ name: 'window 0 ms, headroom 0.1' }, { settings: { 'batch_window.window_ms': 20, 'admission.headroom': 0.2 } }]);
    expect(
      armsOfSettings([
        { path: 'a.b', values: [0, 20] },
        { path: 'a.c', values: [1] },
      ]),
    ).toContain('paired by position');
    expect(armsOfModels(['m', 'm']).map(({ name }) => name)).toEqual(['m (A)', 'm (B)']);
  });
});

describe('figures of a slot', () => {
  const records = [
    call(500, 100),
    call(1000, 100),
    call(1200, 300),
    call(1900, 200),
    call(1300, 50, { outcome: 'failed', status: 500 }),
    call(1400, 50, { outcome: 'cancelled' }),
  ];
  const value = (name: string): number => valueOf(readMetric(name)!, slot(0, 0, records), { ttft: 150 });
  test('are of the calls that were due while it counted, whenever they ended', () => {
    expect(value('ttft:mean')).toBe(200);
    expect(value('ttft:p50')).toBe(200);
    expect(value('e2e:mean')).toBe(400);
    expect(value('errors')).toBe(0.25);
    expect(value('goodput')).toBe(1);
  });

  test('throughput is of what came meanwhile: of the last answer nothing, of one before it nothing', () => {
    expect(value('throughput')).toBe(8);
    const over = slot(0, 0, [call(900, 60)]);
    // Tokens at 960, 980, 1000 and 1020: two while it counted.
    expect(valueOf({ kind: 'throughput' }, over, {})).toBe(2);
    const whole = slot(0, 0, [call(1000, 60, { tokensAt: [], outputTokens: 0 })]);
    expect(valueOf({ kind: 'throughput' }, whole, {})).toBe(1);
  });

  test('each arm is summed up over its slots, and over the time in which they counted', () => {
    const slots = [slot(0, 0, [call(500, 100), call(1100, 100)]), slot(0, 1, []), slot(1, 0, [call(1500, 300)])];
    const [a, b] = armSummaries(2, slots, {});
    expect(a).toMatchObject({ calls: 2, ok: 2, durationMs: 2000, requestRate: 1, ttft: { p50: 200 } });
    expect(b).toMatchObject({ calls: 0, durationMs: 1000 });
  });

  test.each(['ttft', 'ttft:p42', 'speed', 'ttft:p95:x'])('%s is no metric', (name) => expect(readMetric(name)).toBeNull());
});

const TTFT = readMetric('ttft:p95')!;
const RATE = readMetric('throughput')!;
const JUDGING: Judging = { arms: 2, judged: [TTFT, RATE], confidence: 0.9, slo: {}, seed: 1 };
const pairs = (base: number, other: number): [number, number][] =>
  Array.from({ length: 8 }, (_, i) => [base + i, (base + i) * (other / base)]);

describe('comparisons', () => {
  test('are of blocks that are whole, as ratios of times', () => {
    const slots = Array.from({ length: 8 }, (_, block) => [slot(block, 1, [call(1100, 120)]), slot(block, 0, [call(1100, 100)])]).flat();
    const blocks = wholeBlocks([...slots, slot(8, 1, [call(1100, 999)])], 2);
    expect(blocks).toHaveLength(8);
    const [ttft, rate] = compare(blocks, JUDGING.judged, JUDGING);
    expect(ttft).toMatchObject({ arm: 1, shown: 'worse' });
    expect(ttft!.effect).toBeCloseTo(0.2);
    expect(ttft!.interval.low).toBeCloseTo(0.2);
    expect(rate).toMatchObject({ effect: 0, shown: 'none', interval: { low: 0, high: 0 } });
    expect(effectText(ttft!)).toBe('p95 TTFT +20 ms [20, 20]');
  });

  test('of too few blocks show nothing', () => {
    expect(comparePairs(TTFT, 1, pairs(100, 200).slice(0, 3), JUDGING)).toMatchObject({ shown: 'unknown' });
    expect(comparePairs(TTFT, 1, [], JUDGING)).toMatchObject({ shown: 'unknown' });
  });

  test('nothing against something is a difference, and nothing against nothing is none', () => {
    const none = Array.from({ length: 8 }, () => [100, 0] as const);
    expect(comparePairs(RATE, 1, none, JUDGING)).toMatchObject({ shown: 'worse' });
    expect(percent(comparePairs(RATE, 1, none, JUDGING).effect)).toBe('−100.0 %');
    const both = Array.from({ length: 8 }, () => [0, 0] as const);
    expect(comparePairs(RATE, 1, both, JUDGING)).toMatchObject({ shown: 'none', effect: 0 });
  });

  test('figures of more than one kind are given in their units', () => {
    const errors = Array.from({ length: 8 }, () => [0.01, 0.03] as const);
    const compared = comparePairs({ kind: 'errors' }, 1, errors, JUDGING);
    expect(compared.shown).toBe('worse');
    expect(effectText(compared)).toBe('+2.0 % errors [2.0, 2.0]');
    expect(effectText(comparePairs({ kind: 'goodput' }, 1, pairs(10, 11), JUDGING))).toMatch(/^\+10\.0 % goodput \[/);
  });
});

describe('the decision', () => {
  const of = (arm: number, metric: typeof TTFT, other: number): Comparison => comparePairs(metric, arm, pairs(100, other), JUDGING);
  test('keeps the baseline unless another is better and worse in nothing', () => {
    expect(decide([of(1, TTFT, 90), of(1, RATE, 100)], [])).toMatchObject({ keep: 1, why: { kind: 'better' } });
    expect(decide([of(1, TTFT, 110), of(1, RATE, 100)], [])).toMatchObject({ keep: 0, why: { kind: 'worse' } });
    expect(decide([of(1, TTFT, 110), of(1, RATE, 120)], [])).toMatchObject({ keep: 0, why: { kind: 'mixed', arm: 1 } });
    expect(decide([of(1, TTFT, 100), of(1, RATE, 100)], [])).toMatchObject({ keep: 0, why: { kind: 'none' } });
    expect(decide([comparePairs(TTFT, 1, [], JUDGING)], [])).toMatchObject({ keep: 0, why: { kind: 'unknown' } });
  });

  test('errors that nobody judges are against a change all the same', () => {
    const errors = comparePairs(
      { kind: 'errors' },
      1,
      Array.from({ length: 8 }, () => [0, 0.1] as const),
      JUDGING,
    );
    expect(decide([of(1, TTFT, 90)], [errors])).toMatchObject({ keep: 0, why: { kind: 'mixed' } });
  });

  test('of several that are better it names the one that gains most', () => {
    expect(decide([of(1, TTFT, 90), of(2, TTFT, 80)], [])).toMatchObject({ keep: 2, alsoBetter: [1] });
  });
});

describe('trust', () => {
  test('calls that are sent late make a test worth nothing', () => {
    const late = slot(0, 1, [call(1100, 100, { sentMs: 1200 })]);
    expect(trustOf([[slot(0, 0, [call(1100, 100)]), late]], ['a', 'b'], 1000).problems).toEqual([
      expect.stringContaining('b: one call of a hundred was sent 100 ms late'),
    ]);
    const held = slot(0, 1, [call(1100, 100, { sentMs: 1200, heldMs: 99 })]);
    expect(trustOf([[slot(0, 0, [call(1100, 100)]), held]], ['a', 'b'], 1000).problems).toEqual([
      expect.stringContaining('b: --most-at-once held calls back, one of a hundred until 99 ms late'),
    ]);
    expect(trustOf([[slot(0, 0, [call(1100, 100)]), slot(0, 1, [call(1100, 100)])]], ['a', 'b'], 1000)).toEqual({
      problems: [],
      notes: [],
    });
    expect(trustOf([], ['a'], 1000).problems).toEqual(['not one block was finished']);
  });

  test('calls that last into what counts of the next slot are spoken of', () => {
    const long = [slot(0, 0, [call(1900, 1000)]), slot(0, 1, [call(1100, 100)])];
    const some = [long, ...Array.from({ length: 9 }, () => [slot(0, 0, [call(1100, 100)]), slot(0, 1, [call(1100, 100)])])];
    expect(trustOf(some, ['a', 'b'], 1000)).toMatchObject({
      problems: [],
      notes: [expect.stringMatching(/^5 % of the calls lasted .* --settle/)],
    });
  });

  test('where they are many no arm can be told from another', () => {
    const long = [slot(0, 0, [call(1900, 1000)]), slot(0, 1, [call(1100, 100)])];
    expect(trustOf([long], ['a', 'b'], 1000)).toMatchObject({
      problems: [expect.stringMatching(/^50 % of the calls lasted .* --settle 2s .*a lower --rate/)],
      notes: [],
    });
  });
});

test('the guardrail has an opinion of each arm, and what it did is seen', () => {
  const slots = [slot(0, 0, [call(1100, 50)]), slot(0, 1, [call(1100, 250)], { windowMs: 50 }), slot(1, 1, [], { windowMs: 200 })];
  expect(opinionsOf(slots, [0, 200], { enabled: true, sloMs: 200 })).toEqual([
    { arm: 0, p95Ms: 50, isWithin: true, narrowed: 0, looked: 0, narrowestMs: 0 },
    { arm: 1, p95Ms: 250, isWithin: false, narrowed: 1, looked: 2, narrowestMs: 50 },
  ]);
  const page = 'x 1\nheadgate_batch_window_ms{model="a"} 20\nheadgate_batch_window_ms{model="b"} 50\n';
  expect([windowIn(page, 'b'), windowIn(page, 'c'), windowIn('', 'a')]).toEqual([50, null, null]);
});
