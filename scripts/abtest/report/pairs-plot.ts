import { plot, type Point, type Series } from '../../report/plot.ts';
import type { Arm } from '../design/arm.ts';
import type { Comparison } from '../figures/comparison.ts';
import { metricName } from '../figures/metric.ts';

const TONES = 6;

/** The figure of each arm in each block: lines that go up and down together have the block in common, and what is between them is the arm. */
export function pairsPlot(all: readonly Comparison[], arms: readonly Arm[]): string {
  const [first] = all as [Comparison];
  const { kind } = first.metric;
  const scale = kind === 'errors' ? 100 : 1;
  const points = (values: readonly number[]): Point[] => values.map((value, block): Point => [block + 1, value * scale]);
  const lines = [
    { arm: 0, points: points(first.pairs.map(([base]) => base)) },
    ...all.map(({ arm, pairs }) => ({ arm, points: points(pairs.map(([, other]) => other)) })),
  ];
  return plot({
    title: metricName(first.metric),
    x: 'block',
    y: kind === 'time' ? 'ms' : kind === 'errors' ? '% of calls' : 'a second',
    series: lines.map(({ arm, points: of }): Series => ({ name: arms[arm]!.name, tone: (arm % TONES) + 1, as: 'line', points: of })),
  });
}
