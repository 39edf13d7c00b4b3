import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import type { Comparison } from '../figures/comparison.ts';
import { metricName } from '../figures/metric.ts';
import type { AbtestResult } from '../figures/result.ts';
import { bounds, percent, verdictLines, warningLines } from './words.ts';

const MARKS = { better: 'better', worse: 'WORSE', none: 'no difference shown', unknown: 'too few blocks' } as const;

/** The result for a terminal. */
export function summaryText(result: AbtestResult): string {
  const { arms, asked, comparisons, watched, wholeBlocks, durationMs } = result;
  const head = `${arms.map(({ name }) => name).join(' against ')} on ${asked.models.join(', ')} at ${asked.urls.join(', ')}: ${asked.pace}; ${asked.prompts}; seed ${asked.seed}`;
  const design = `${wholeBlocks} ${wholeBlocks === 1 ? 'block' : 'blocks'} of ${arms.length} slots of ${asked.slotMs / 1000} s after ${asked.settleMs / 1000} s each, in ${shownSpan(durationMs)}; ${asked.confidence * 100} % for all intervals together`;
  const rows = tableRows(result, [...comparisons, ...watched]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return `${[head, design, '', ...table, '', ...warningLines(result), ...verdictLines(result)].join('\n')}\n`;
}

/** A head, and a row for each comparison. */
export function tableRows({ arms }: AbtestResult, comparisons: readonly Comparison[]): string[][] {
  const rows = comparisons.map((one) => [
    metricName(one.metric),
    arms[one.arm]!.name,
    ...[figure(one, one.base), figure(one, one.other), percent(one.effect), bounds(one.interval, percent)],
    MARKS[one.shown],
  ]);
  return [['', '', arms[0]!.name, 'arm', 'difference', 'interval', ''], ...rows];
}

function figure({ metric }: Comparison, value: number): string {
  if (metric.kind === 'time') return shownMs(value);
  return metric.kind === 'errors' ? `${shown(value * 100)} %` : `${shown(value)} ${metric.kind === 'goodput' ? 'calls' : 'tokens'}/s`;
}
