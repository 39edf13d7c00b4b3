import { describe, expect, test } from 'vitest';
import { type Axis, pointOf, pointsOf, quickGrid, readAxis } from '../../../scripts/tune/grid/axes.ts';
import { bestOf } from '../../../scripts/tune/grid/best.ts';
import { brokenBy } from '../../../scripts/tune/grid/objectives.ts';
import { medianFigures, type PointResult } from '../../../scripts/tune/grid/outcome.ts';
import { skipOf } from '../../../scripts/tune/grid/prune.ts';
import { mostOf, nextPoint } from '../../../scripts/tune/grid/search.ts';
import { card, figures, oom, result, search } from './cards.ts';

const isSkipped = (flags: Record<string, number | string>, results: readonly PointResult[], saturating = true): boolean =>
  skipOf(pointOf(flags), results, saturating) !== null;

describe('the grid', () => {
  test('is read as it is written, numbers in rising order', () => {
    expect(readAxis('max-num-seqs=128,64,64')).toEqual({ flag: 'max_num_seqs', values: [64, 128] });
    expect(readAxis('--kv-cache-dtype=fp8,auto')).toEqual({ flag: 'kv_cache_dtype', values: ['fp8', 'auto'] });
    expect(readAxis('enforce-eager=true,false')).toEqual({ flag: 'enforce_eager', values: [true, false] });
    expect(readAxis('max-num-seqs')).toMatch(/written FLAG=VALUE/);
    expect(readAxis('max-num-seqs=1,,2')).toMatch(/empty value/);
  });

  test('begins with what asks for least, the first flag fastest', () => {
    const axes = [
      { flag: 'a', values: [1, 2] },
      { flag: 'b', values: [3, 4] },
    ];
    expect(pointsOf(axes).map(({ key }) => key)).toEqual(['a=1 b=3', 'a=2 b=3', 'a=1 b=4', 'a=2 b=4']);
    expect(quickGrid([{ flag: 'a', values: [1, 2, 3, 4, 5] }])).toEqual([{ flag: 'a', values: [1, 3, 5] }]);
  });
});

describe('what is ruled out', () => {
  const at = (seqs: number, tokens: number, share = 0.9) => ({
    max_num_seqs: seqs,
    max_num_batched_tokens: tokens,
    gpu_memory_utilization: share,
  });

  test('by an OOM: what asks for no less of anything', () => {
    const results = [oom(at(64, 4096), 'oom-graph')];
    expect(isSkipped(at(64, 8192), results)).toBe(true);
    expect(isSkipped(at(128, 4096, 0.95), results)).toBe(true);
    expect(isSkipped(at(32, 8192), results)).toBe(false);
    expect(isSkipped(at(128, 8192, 0.85), results)).toBe(false);
  });

  test('by a cache that is too small: the same with a smaller share of the card, not with a larger one', () => {
    const results = [oom(at(64, 4096), 'kv-too-small')];
    expect(isSkipped(at(64, 4096, 0.85), results)).toBe(true);
    expect(isSkipped(at(64, 4096, 0.95), results)).toBe(false);
  });

  test('by weights that do not fit: everything that does not change the weights', () => {
    const results = [oom({ ...at(64, 4096), quantization: 'fp8' }, 'oom-weights')];
    expect(isSkipped({ ...at(8, 512, 0.5), quantization: 'fp8' }, results)).toBe(true);
    expect(isSkipped({ ...at(8, 512, 0.5), quantization: 'awq' }, results)).toBe(false);
  });

  test('by nothing that the memory of the machine has to do with', () => {
    expect(isSkipped(at(64, 8192), [oom(at(64, 4096), 'oom-host')])).toBe(false);
  });

  test('by a broken objective and by a full cache: more sequences, where the load fills what there is', () => {
    const slow = [result(at(64, 4096), { outcome: 'slo', reason: 'p95' })];
    const full = [result(at(64, 4096), { figures: figures({ preemptions: 5 }) })];
    for (const results of [slow, full]) {
      expect(isSkipped(at(128, 4096), results)).toBe(true);
      expect(isSkipped(at(32, 4096), results)).toBe(false);
      expect(isSkipped(at(128, 8192), results)).toBe(false);
      expect(isSkipped(at(128, 4096), results, false)).toBe(false);
    }
    expect(isSkipped(at(128, 4096), [result(at(64, 4096), { figures: figures({ preemptions: 4 }) })])).toBe(false);
  });

  test('with the reason in words', () => {
    expect(skipOf(pointOf(at(128, 4096)), [oom(at(64, 4096), 'oom-sampler')], true)?.why).toBe(
      'max_num_seqs=64 max_num_batched_tokens=4096 gpu_memory_utilization=0.9 ran out of memory (oom-sampler), and this asks for no less',
    );
  });
});

describe('the best', () => {
  test('makes most tokens within the objectives; of those within a hundredth, its callers wait least', () => {
    const rate = (n: number, outputTokenRate: number, e2e: number, outcome: PointResult['outcome'] = 'ok') =>
      result({ n }, { outcome, figures: figures({ outputTokenRate, p95: { e2e, ttft: 1, tpot: 1, itl: 1 } }) });
    const best = (...results: PointResult[]) => bestOf(results)?.point.key;
    expect(best(rate(1, 100, 10), rate(2, 120, 900), rate(3, 500, 9000, 'slo'))).toBe('n=2');
    expect(best(rate(1, 119.5, 10), rate(2, 120, 900))).toBe('n=1');
    expect(best(rate(1, 118, 10), rate(2, 120, 900))).toBe('n=2');
    expect(best(rate(3, 500, 9000, 'slo'))).toBeUndefined();
  });

  test('is judged by medians, and by the objectives of 95 of 100 calls', () => {
    const three = [figures({ outputTokenRate: 90 }), figures({ outputTokenRate: 300 }), figures({ outputTokenRate: 110, errorShare: 0.5 })];
    expect(medianFigures(three)).toMatchObject({ outputTokenRate: 110, errorShare: 0 });
    expect(medianFigures(three.slice(0, 2)).outputTokenRate).toBe(195);
    expect(brokenBy(figures(), { slo: { e2e: 1000 }, maxErrors: 0 })).toBeNull();
    expect(brokenBy(figures({ errorShare: 0.002 }), { slo: { e2e: 999 }, maxErrors: 0.001 })).toBe(
      'p95 e2e 1,000 ms is over 999 ms, 0.200 % of the calls failed (0.100 % allowed)',
    );
    expect(brokenBy(figures({ p95: { e2e: 1, ttft: NaN, tpot: 1, itl: 1 } }), { slo: { ttft: 5 }, maxErrors: 0 })).toBeNull();
  });
});

const AXES: readonly Axis[] = [
  { flag: 'max_num_seqs', values: [16, 32, 64, 128] },
  { flag: 'max_num_batched_tokens', values: [1024, 2048, 4096, 8192] },
];

describe('searches', () => {
  test('the grid launches all that nothing speaks against, and finds what every point would have', () => {
    for (const knee of [16, 40, 64, 1000])
      for (const budget of [1500, 2500, 4500, 9000, 99_999]) {
        const whole = search('grid', AXES, card(knee, budget), false);
        const pruned = search('grid', AXES, card(knee, budget));
        expect(whole.launches).toBe(16);
        expect(pruned.best).toBe(whole.best);
        expect(pruned.launches + pruned.skipped.length).toBe(16);
      }
  });

  test('halving finds the same with at most half of the launches', () => {
    for (const knee of [16, 40, 64, 1000])
      for (const budget of [2500, 4500, 9000, 99_999]) {
        const whole = search('grid', AXES, card(knee, budget), false);
        const halved = search('halving', AXES, card(knee, budget));
        expect(halved.best, `${knee} ${budget}`).toBe(whole.best);
        expect(halved.launches, `${knee} ${budget}`).toBeLessThanOrEqual(8);
      }
  });

  test('a larger share of the card is tried where the cache was too small', () => {
    const axes = [{ flag: 'gpu_memory_utilization', values: [0.8, 0.85, 0.9, 0.95] }];
    const small = ({ gpu_memory_utilization: share = 0 }: Record<string, number>) =>
      share < 0.94 ? oom({ gpu_memory_utilization: share }, 'kv-too-small') : result({ gpu_memory_utilization: share });
    expect(search('halving', axes, small).best).toBe('gpu_memory_utilization=0.95');
  });

  test('where nothing runs, the least is tried before it is given up', () => {
    const { results, best } = search('halving', AXES, (flags) => oom(flags, 'oom-graph'));
    expect(best).toBeUndefined();
    expect(results.at(-1)?.point.key).toBe('max_num_seqs=16 max_num_batched_tokens=1024');
  });

  test('one that was cut short goes on where it stood: the next point depends on the results alone', () => {
    const { launched } = search('halving', AXES, card(64, 9000));
    launched.forEach(({ point, before }) => {
      expect(nextPoint('halving', { axes: AXES, results: before, prunes: true, isSaturating: true })?.key).toBe(point.key);
    });
  });

  test('of a small grid is worth as many launches as every axis takes to be halved', () => {
    const axis = (count: number): Axis => ({ flag: `f${count}`, values: Array.from({ length: count }, (_, i) => i) });
    expect(mostOf([axis(4), axis(3)])).toBe(6);
    expect(mostOf([axis(3), { ...axis(3), flag: 'g' }])).toBe(5);
    expect(mostOf([axis(4)])).toBe(3);
    expect(mostOf([axis(2)])).toBe(2);
    expect(mostOf([{ flag: 'w', values: ['a', 'b', 'c'] }])).toBe(3);
  });
});
