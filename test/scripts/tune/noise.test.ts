import { describe, expect, test } from 'vitest';
import { seeded } from '../../../scripts/load/workload/seeded.ts';
import { type Axis, pointsOf } from '../../../scripts/tune/grid/axes.ts';
import { noiseOf, survivors } from '../../../scripts/tune/grid/final.ts';
import { together } from '../../../scripts/tune/grid/judged.ts';
import type { PointResult } from '../../../scripts/tune/grid/outcome.ts';
import { card, figures, oom, result, search } from './cards.ts';

/** What simulated cards made of these points, in output tokens a second and p95 of whole answers in milliseconds. null: out of memory. */
interface Recorded {
  readonly axes: readonly Axis[];
  /** By batched tokens, then by sequences. */
  readonly cells: readonly (readonly (readonly [rate: number, e2e: number] | null)[])[];
}

const AXES: readonly Axis[] = [
  { flag: 'max_num_seqs', values: [8, 16, 32, 64] },
  { flag: 'max_num_batched_tokens', values: [1024, 2048, 32_768] },
];
const NONE = [null, null, null, null] as const;
const T4: Recorded = {
  axes: AXES,
  cells: [
    [
      [510, 1_818],
      [701, 2_266],
      [883, 2_979],
      [1_024, 3_597],
    ],
    [
      [507, 1_806],
      [700, 2_265],
      [883, 2_978],
      [1_014, 3_598],
    ],
    NONE,
  ],
};
const RTX_4080: Recorded = {
  axes: AXES,
  cells: [
    [
      [1_089, 1_136],
      [1_424, 1_240],
      [1_741, 1_372],
      [1_881, 1_789],
    ],
    [
      [1_089, 1_137],
      [1_428, 1_241],
      [1_753, 1_372],
      [1_882, 1_790],
    ],
    NONE,
  ],
};

type Launch = (flags: Record<string, number>) => PointResult;

function cardOf({ axes: [seqs, tokens], cells }: Recorded): Launch {
  return (flags) => {
    const cell = cells[tokens!.values.indexOf(flags['max_num_batched_tokens']!)]![seqs!.values.indexOf(flags['max_num_seqs']!)]!;
    if (cell === null) return oom(flags, 'kv-too-small');
    const [outputTokenRate, e2e] = cell;
    return result(flags, { figures: figures({ outputTokenRate, p95: { e2e, ttft: 1, tpot: 1, itl: 1 } }) });
  };
}

/** The same card, each of whose loads is off by up to `share` of its rate. */
function noisy(launch: Launch, share: number, seed: number): Launch {
  const uniform = seeded(seed);
  return (flags) => {
    const exact = launch(flags);
    if (exact.figures === null) return exact;
    const load = figures({ ...exact.figures, outputTokenRate: exact.figures.outputTokenRate * (1 + share * (2 * uniform() - 1)) });
    return { ...exact, figures: load, repeats: [load] };
  };
}

const SEEDS = 200;

/** In how many of the seeds the point found makes 98 of 100 tokens of the true best, and the most launches that it took. */
function replay(axes: readonly Axis[], launch: Launch, share: number): { readonly near: number; readonly launches: number } {
  const rate = (flags: Record<string, number>): number => launch(flags).figures?.outputTokenRate ?? 0;
  const most = Math.max(...pointsOf(axes).map(({ flags }) => rate(flags as Record<string, number>)));
  let [near, launches] = [0, 0];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const found = search('halving', axes, noisy(launch, share, seed));
    const best = pointsOf(axes).find(({ key }) => key === found.best)!;
    if (rate(best.flags as Record<string, number>) >= 0.98 * most) near++;
    launches = Math.max(launches, found.launches);
  }
  return { near, launches };
}

const SQUARE: readonly Axis[] = [
  { flag: 'max_num_seqs', values: [16, 32, 64, 128] },
  { flag: 'max_num_batched_tokens', values: [1024, 2048, 4096, 8192] },
];

describe('halving, where each load is off by up to 5 %', () => {
  test.each([
    ['the T4 as it was recorded', AXES, cardOf(T4)],
    ['the RTX 4080 as it was recorded', AXES, cardOf(RTX_4080)],
    ['a card that is full at 40 sequences', SQUARE, card(40, 99_999)],
    ['a card that gets better with all of them', SQUARE, card(1_000, 99_999)],
    ['a card whose memory ends', SQUARE, card(64, 4_500)],
    ['a card for which few are enough', SQUARE, card(16, 99_999)],
  ])('finds a point within 2 %% of the best in 95 of 100, with half of the launches: %s', (_, axes, launch) => {
    const { near, launches } = replay(axes, launch, 0.05);
    expect(near).toBeGreaterThanOrEqual(0.95 * SEEDS);
    expect(launches).toBeLessThanOrEqual(pointsOf(axes).length / 2);
  });
});

describe('what may be the best', () => {
  const rates = (n: number, ...of: readonly number[]): PointResult =>
    result({ n }, { figures: figures({ outputTokenRate: of[0]! }), repeats: of.map((outputTokenRate) => figures({ outputTokenRate })) });

  test('lies as near to it as loads of one point lie apart; where each was loaded once, within a tenth', () => {
    expect(survivors([rates(1, 100), rates(2, 92), rates(3, 89)]).map(({ point }) => point.key)).toEqual(['n=1', 'n=2']);
    expect(noiseOf([rates(1, 100, 97), rates(2, 50, 49), rates(3, 10, 9)])).toBeCloseTo(0.03, 9);
    expect(survivors([rates(1, 100, 97), rates(2, 98, 95), rates(3, 96, 93.12)]).map(({ point }) => point.key)).toEqual(['n=1', 'n=2']);
    expect(noiseOf([rates(1, 100, 100)])).toBe(0.02);
    expect(survivors([oom({ n: 1 }, 'oom-graph')])).toEqual([]);
  });

  test('is launched once more, and both launches count alike; a failure the second time is one', () => {
    const objectives = { slo: { e2e: 5_000 }, maxErrors: 0 };
    const twice = together(rates(1, 100), rates(1, 90), objectives);
    expect(twice).toMatchObject({ outcome: 'ok', launches: 2, tookMs: 2, figures: { outputTokenRate: 95 } });
    expect(twice.repeats).toHaveLength(2);
    expect(together(rates(1, 100), oom({ n: 1 }, 'oom-graph'), objectives)).toMatchObject({ outcome: 'oom', launches: 2, figures: null });
    expect(together(rates(1, 100), rates(1, 90), { ...objectives, slo: { e2e: 900 } })).toMatchObject({ outcome: 'slo' });
    const { launched } = search('halving', SQUARE, card(64, 99_999));
    expect(launched.length).toBeGreaterThan(new Set(launched.map(({ point }) => point.key)).size);
  });
});
