import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StartPoint, StartSample } from '../../../supervisor/worker/start-estimate.ts';
import { estimateStart } from '../../../supervisor/worker/start-estimate.ts';
import { StartHistory } from '../../../supervisor/worker/start-history.ts';
import { scratchFolder } from '../support/scratch.ts';

const at = (stage: StartPoint['stage'], inStageMs = 0, loaded = 0): StartPoint => ({ stage, inStageMs, loaded });
const sample = (totalMs: number): StartSample => ({ modelLoadedMs: totalMs * 0.5, graphsMs: totalMs * 0.9, totalMs });

describe('what is left of a start', () => {
  test('is the usual time before there was any, and all of it before it begins', () => {
    expect(estimateStart([], 100_000, at(null))).toEqual({ leftMs: 100_000, percent: 0 });
    expect(estimateStart([], 100_000, at('process', 30_000))).toMatchObject({ leftMs: 70_000, percent: 30 });
  });

  test('follows the weights that have been read when they come faster than the clock', () => {
    const { leftMs, percent } = estimateStart([], 100_000, at('process', 1000, 0.5));
    expect(percent).toBe(28);
    expect(leftMs).toBeCloseTo(71_500, -2);
  });

  test('is the middle of what the last starts took', () => {
    expect(estimateStart([sample(40_000), sample(60_000), sample(500_000)], 1000, at(null)).leftMs).toBe(60_000);
    expect(estimateStart([sample(40_000), sample(60_000)], 1000, at(null)).leftMs).toBe(50_000);
  });

  test('jumps to where a stage begins when that is reached early', () => {
    const starts = [sample(100_000)];
    expect(estimateStart(starts, 1000, at('process', 10_000)).leftMs).toBe(90_000);
    expect(estimateStart(starts, 1000, at('model_loaded')).leftMs).toBe(50_000);
    expect(estimateStart(starts, 1000, at('cuda_graphs')).percent).toBe(90);
  });

  test('makes do with starts of which only the weights were seen', () => {
    const short = { modelLoadedMs: 70_000, graphsMs: null, totalMs: 100_000 };
    expect(estimateStart([short], 1000, at('model_loaded')).percent).toBe(70);
    expect(estimateStart([short], 1000, at('cuda_graphs')).percent).toBe(94);
  });

  test('is never nothing while a stage takes longer than ever, and never grows', () => {
    let before = Infinity;
    for (let ms = 0; ms < 1_000_000; ms += 10_000) {
      const { leftMs, percent } = estimateStart([sample(100_000)], 1000, at('model_loaded', ms));
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(before);
      expect(percent).toBeLessThan(100);
      before = leftMs;
    }
  });

  test('does not believe samples that contradict themselves', () => {
    const odd = { modelLoadedMs: 9000, graphsMs: 100, totalMs: 1000 };
    expect(estimateStart([odd], 1, at('model_loaded')).percent).toBe(60);
  });
});

describe('the history of starts', () => {
  test('keeps the last ten of each kind over a restart', () => {
    const path = join(scratchFolder(), 'state', 'start-times.json');
    const history = new StartHistory(path);
    for (let i = 1; i <= 12; i += 1) history.add('a', sample(i));
    history.add('b', sample(77));
    const again = new StartHistory(path);
    expect(again.of('a').map(({ totalMs }) => totalMs)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(again.of('b')).toHaveLength(1);
    expect(again.of('c')).toEqual([]);
  });

  test('forgets the kind not seen for longest', () => {
    const history = new StartHistory(join(scratchFolder(), 'start-times.json'));
    for (let i = 0; i < 101; i += 1) history.add(`kind ${i}`, sample(i));
    expect(history.of('kind 0')).toEqual([]);
    expect(history.of('kind 100')).toHaveLength(1);
  });

  test('begins anew when its file is none', () => {
    const path = join(scratchFolder(), 'start-times.json');
    writeFileSync(path, '{"a": [{"totalMs": -1}]}');
    expect(new StartHistory(path).of('a')).toEqual([]);
  });
});
