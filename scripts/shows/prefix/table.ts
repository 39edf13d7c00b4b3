import { type Figures, mean, type Ratio } from './figures.ts';

const shown = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2));
const share = (value: number): string => `${(value * 100).toFixed(1)} %`;

/** Arms below each other: each figure the mean over their runs. */
export function tableOf(arms: ReadonlyMap<string, readonly Figures[]>): string[] {
  const rows = [...arms].map(([arm, all]) => [arm, ...cells(all)]);
  const [first] = [...arms.values()];
  const kinds = [...(first?.[0]?.kinds.keys() ?? [])];
  const head = [
    '',
    'TTFT p50',
    'p95',
    ...(kinds.length > 1 ? kinds.map((kind) => `p50 ${kind}`) : []),
    'answer p50',
    'hits',
    'prefilled',
    'max/mean',
  ];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  return [head, ...rows].map(
    (row) => `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  ')}`,
  );
}

function cells(all: readonly Figures[]): string[] {
  const of = (read: (figures: Figures) => number): number => mean(all.map(read));
  const kinds = [...(all[0]?.kinds.keys() ?? [])];
  return [
    `${shown(of(({ ttftP50 }) => ttftP50))} ms`,
    `${shown(of(({ ttftP95 }) => ttftP95))} ms`,
    ...(kinds.length > 1 ? kinds.map((kind) => `${shown(of((figures) => figures.kinds.get(kind) ?? NaN))} ms`) : []),
    `${shown(of(({ e2eP50 }) => e2eP50))} ms`,
    share(of(({ hitRate }) => hitRate)),
    shown(of(({ prefilled }) => prefilled)),
    of(({ imbalance }) => imbalance).toFixed(2),
  ];
}

export function ratioText({ ratio, low, high }: Ratio): string {
  const range = Number.isFinite(high) ? `${low.toFixed(3)} to ${high.toFixed(3)}` : 'too few runs for an interval';
  return `× ${ratio.toFixed(3)} (${range})`;
}
