import { describe, expect, test } from 'vitest';
import { arrivals } from '../../../scripts/load/workload/arrivals.ts';
import { gamma } from '../../../scripts/load/workload/distributions.ts';
import { leavesAfter } from '../../../scripts/load/workload/leaving.ts';
import { drawLength, readLengths } from '../../../scripts/load/workload/lengths.ts';
import { promptsOf } from '../../../scripts/load/workload/prompt-file.ts';
import { syntheticPrompts } from '../../../scripts/load/workload/prompts.ts';
import { rateCurve } from '../../../scripts/load/workload/rate.ts';
import { seeded, seededFor } from '../../../scripts/load/workload/seeded.ts';
import { readSpan } from '../../../scripts/program/span.ts';
import { traceOf } from '../../../scripts/load/workload/trace-file.ts';

const steady = (rate: number, seconds: number) => [{ from: rate, to: rate, seconds }];
const gapsOf = (at: Float64Array) => [...at].slice(1).map((ms, i) => ms - at[i]!);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const variation = (values: readonly number[]) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
};

describe('chance', () => {
  const first = (seed: number, index: number, matter: Parameters<typeof seededFor>[2] = 'words') => {
    const uniform = seededFor(seed, index, matter);
    return `${uniform()} ${uniform()}`;
  };
  test('of seeds, numbers and matters is not that of their neighbours, and the same again for the same', () => {
    const all: string[] = [];
    for (let seed = 0; seed < 40; seed++)
      for (let index = 0; index < 40; index++) all.push(first(seed, index), first(seed, index, 'leaving'), first(seed, index, 'lengths'));
    expect(new Set(all).size).toBe(40 * 40 * 3);
    expect(first(3, 7)).toBe(first(3, 7));
  });

  test('is even over numbers, seeds and matters', () => {
    const matters = ['words', 'lengths', 'order'] as const;
    const draws = [
      Array.from({ length: 4000 }, (_, i) => seededFor(1, i, 'words')()),
      Array.from({ length: 4000 }, (_, i) => seededFor(i, 0, 'words')()),
      Array.from({ length: 4000 }, (_, i) => seededFor(i, i, matters[i % 3]!)()),
    ];
    // Four deviations of the mean of so many.
    for (const values of draws) expect(Math.abs(mean(values) - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 4000));
  });
});

describe('arrivals', () => {
  test.each([
    ['evenly', { kind: 'constant' } as const, 0, 0.001],
    ['Poisson', { kind: 'gamma', shape: 1 } as const, 1, 0.06],
    ['in bursts', { kind: 'gamma', shape: 0.25 } as const, 2, 0.15],
    ['more evenly', { kind: 'gamma', shape: 16 } as const, 0.25, 0.02],
  ])('%s: as many as the rate means, and gaps that vary as they should', (_, spacing, expected, within) => {
    for (const seed of [1, 2, 3]) {
      const at = arrivals(steady(20, 200), spacing, seeded(seed));
      expect(at.length).toBe(4000);
      expect(at[0]).toBe(0);
      expect(at.at(-1)!).toBeLessThanOrEqual(200_000);
      const gaps = gapsOf(at);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
      expect(Math.abs(variation(gaps) - expected)).toBeLessThan(within);
    }
  });

  test('the same seed gives the same moments, another gives others', () => {
    const of = (seed: number) => arrivals(steady(5, 20), { kind: 'gamma', shape: 0.5 }, seeded(seed));
    expect(of(7)).toEqual(of(7));
    expect(of(7)).not.toEqual(of(8));
  });

  test('a ramp sends as many in each tenth as its rate there says', () => {
    const at = arrivals([{ from: 0, to: 40, seconds: 100 }], { kind: 'constant' }, seeded(1));
    expect(at.length).toBe(2000);
    for (let tenth = 0; tenth < 10; tenth++) {
      const within = at.filter((ms) => ms >= tenth * 10_000 && ms < (tenth + 1) * 10_000).length;
      expect(Math.abs(within - (tenth * 10 + 5) * 4)).toBeLessThanOrEqual(2);
    }
  });

  test('steps follow one another', () => {
    const at = arrivals([...steady(1, 10), ...steady(50, 2), ...steady(1, 10)], { kind: 'constant' }, seeded(1));
    expect(at.filter((ms) => ms < 10_000).length).toBe(10);
    expect(at.filter((ms) => ms >= 10_000 && ms < 12_000).length).toBe(100);
    expect(at.length).toBe(120);
  });

  test('nothing is sent in a pause, neither where it begins nor before the first rate', () => {
    const pauses = [...steady(0, 3), ...steady(0.1, 30), ...steady(0, 10), ...steady(5, 4)];
    const at = arrivals(pauses, { kind: 'constant' }, seeded(1));
    const expected = [3, 13, 23, ...Array.from({ length: 20 }, (_, i) => 43 + i / 5)];
    expect([...at].map((ms) => Math.round(ms) / 1000)).toEqual(expected.map((second) => Math.round(second * 1000) / 1000));
    expect(Math.max(...arrivals([...steady(2, 5), ...steady(0, 5)], { kind: 'constant' }, seeded(1)))).toBeLessThan(5000);
  });

  test('the curve solves what it says, stage by stage', () => {
    const curve = rateCurve([
      { from: 2, to: 8, seconds: 10 },
      { from: 8, to: 8, seconds: 5 },
      { from: 8, to: 0, seconds: 4 },
    ]);
    expect(curve.calls).toBe(50 + 40 + 16);
    expect(curve.secondOf(0)).toBe(0);
    expect(curve.secondOf(50)).toBeCloseTo(10, 9);
    expect(curve.secondOf(90)).toBeCloseTo(15, 9);
    expect(curve.secondOf(106)).toBeCloseTo(19, 6);
    // 2t + 0.3t² = 20 at the time at which twenty have come.
    const t = curve.secondOf(20);
    expect(2 * t + 0.3 * t * t).toBeCloseTo(20, 9);
  });

  test('a gamma variable has the mean 1 and the variance of its shape', () => {
    for (const shape of [0.1, 0.5, 1, 3, 20]) {
      const uniform = seeded(11);
      const values = Array.from({ length: 40_000 }, () => gamma(uniform, shape));
      expect(Math.abs(mean(values) - 1)).toBeLessThan(0.06);
      expect(Math.abs(variation(values) - 1 / Math.sqrt(shape))).toBeLessThan(0.12 / Math.sqrt(shape));
    }
  });
});

describe('prompts', () => {
  const options = {
    input: { kind: 'fixed', tokens: 40 },
    output: { kind: 'uniform', least: 5, most: 9 },
    prefixGroups: 0,
    prefixTokens: 16,
  } as const;

  test('belong to seed and number, whoever asks in whatever order', () => {
    const [one, other] = [syntheticPrompts(options, 3), syntheticPrompts(options, 3)];
    const forward = [0, 1, 2, 3].map(one);
    expect([3, 2, 1, 0].map(other).toReversed()).toEqual(forward);
    expect(new Set(forward.map(({ text }) => text)).size).toBe(4);
    expect(syntheticPrompts(options, 4)(0)).not.toEqual(forward[0]);
  });

  test('have the length that was asked for, and no two of a thousand begin alike for a block', () => {
    const source = syntheticPrompts(options, 1);
    const prompts = Array.from({ length: 1000 }, (_, i) => source(i));
    expect(prompts.every(({ text }) => text.split(' ').length === 40)).toBe(true);
    expect(prompts.every(({ outputTokens }) => outputTokens! >= 5 && outputTokens! <= 9)).toBe(true);
    expect(new Set(prompts.map(({ text }) => text.split(' ').slice(0, 16).join(' '))).size).toBe(1000);
  });

  test('of a group begin alike', () => {
    const source = syntheticPrompts({ ...options, prefixGroups: 3 }, 1);
    const beginnings = Array.from({ length: 300 }, (_, i) => source(i).text.split(' ').slice(0, 16).join(' '));
    expect(new Set(beginnings).size).toBe(3);
    expect(new Set(Array.from({ length: 300 }, (_, i) => source(i).text)).size).toBe(300);
  });

  test('a lognormal has its median, and no tail without an end', () => {
    const uniform = seeded(5);
    const lengths = Array.from({ length: 20_001 }, () => drawLength({ kind: 'lognormal', median: 100, sigma: 1.5 }, uniform)).toSorted(
      (a, b) => a - b,
    );
    expect(Math.abs(lengths[10_000]! - 100)).toBeLessThan(6);
    expect(lengths.at(-1)).toBeLessThanOrEqual(2000);
    expect(lengths[0]).toBeGreaterThanOrEqual(1);
  });

  test.each(['', '0', '-3', '1.5', 'uniform:5', 'uniform:9:5', 'lognormal:0:1', 'lognormal:5:9', 'normal:1:2', '1:2', 'uniform:1:2:3'])(
    '%j is no length',
    (text) => {
      expect(readLengths(text)).toBeNull();
    },
  );
});

test('who leaves, and when, belongs to seed and number', () => {
  const of = (seed: number) => Array.from({ length: 4000 }, (_, i) => leavesAfter({ seed, cancelShare: 0.3 }, i, 10));
  expect(of(5)).toEqual(of(5));
  expect(of(5)).not.toEqual(of(6));
  const left = of(5).filter((after) => after !== null);
  expect(Math.abs(left.length / 4000 - 0.3)).toBeLessThan(0.03);
  expect([Math.min(...left), Math.max(...left)]).toEqual([1, 9]);
  expect(leavesAfter({ seed: 5, cancelShare: 0 }, 1, 10)).toBeNull();
});

describe('files', () => {
  test('prompts come in the shapes that people have', () => {
    const lines = [
      { prompt: 'one', max_tokens: 7, temperature: 0 },
      { messages: [{ role: 'user', content: 'two' }], model: 'theirs', stream: true },
      {
        custom_id: 'a',
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model: 'm', messages: [{ role: 'user', content: 'three' }], max_completion_tokens: 9 },
      },
      {
        conversations: [
          { from: 'human', value: 'four' },
          { from: 'gpt', value: 'no' },
        ],
      },
    ];
    const prompts = promptsOf(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n\n`, 'file');
    expect(prompts.map(({ text, outputTokens }) => [text, outputTokens])).toEqual([
      ['one', 7],
      ['two', null],
      ['three', 9],
      ['four', null],
    ]);
    expect(prompts[0]!.fields).toEqual({ temperature: 0 });
    // Which model, and whether it streams, is for the run to say.
    expect(prompts[1]!.fields).toEqual({ messages: [{ role: 'user', content: 'two' }] });
  });

  test.each([
    ['{"prompt": "a"}\nnonsense', 'file:2: this is no JSON'],
    ['[]', 'file:1: this is no object'],
    ['{"prompt": 5}', 'file:1: this is no prompt'],
    ['\n', 'file:1: there is no prompt in it'],
  ])('a mistake is told with its line: %j', (text, message) => {
    expect(() => promptsOf(text, 'file')).toThrow(message);
  });

  test("Mooncake's traces: moments, lengths, and blocks that are shared", () => {
    const lines = [
      { timestamp: 3000, input_length: 1100, output_length: 20, hash_ids: [1, 2, 3] },
      { timestamp: 1000, input_length: 600, output_length: 10, hash_ids: [1, 9] },
    ];
    const trace = traceOf(lines.map((line) => JSON.stringify(line)).join('\n'), 'trace', 1);
    expect([...trace.at]).toEqual([0, 2000]);
    const [first, second] = [trace.prompts(0), trace.prompts(1)];
    expect([first.outputTokens, second.outputTokens]).toEqual([10, 20]);
    expect([first, second].map(({ text }) => text.split(' ').length)).toEqual([600, 1100]);
    expect(first.text.split(' ').slice(0, 512)).toEqual(second.text.split(' ').slice(0, 512));
    expect(first.text.split(' ').slice(512, 530)).not.toEqual(second.text.split(' ').slice(512, 530));
  });

  test('a trace of another seed has other prompts, at whatever place', () => {
    const line = JSON.stringify({ timestamp: 0, input_length: 30, output_length: 5, hash_ids: [] });
    const of = (seed: number) => {
      const { prompts } = traceOf(line, 'trace', seed);
      return Array.from({ length: 50 }, (_, i) => prompts(i).text);
    };
    expect(new Set([1, 2, 3].flatMap(of)).size).toBe(150);
  });

  test("Azure's traces", () => {
    const text = 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,374,44\n2023-11-16 18:17:04.0319600,396,109\n';
    const trace = traceOf(text, 'trace', 1);
    expect([...trace.at]).toEqual([0, 52]);
    expect(trace.prompts(1).outputTokens).toBe(109);
    expect(() => traceOf('TIMESTAMP,a\nyesterday,1,2', 'trace', 1)).toThrow('trace:2:');
  });
});

test.each([
  ['30s', 30_000],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['45', 45_000],
  ['0', null],
  ['', null],
  ['5d', null],
  ['-1s', null],
] as const)('%j is a time of %s ms', (text, ms) => {
  expect(readSpan(text)).toBe(ms);
});
