import { facts, page, section, table, tiles } from '../../report/page.ts';
import { plot } from '../../report/plot.ts';
import type { RowResult } from '../rows/row-result.ts';
import { cellsOf, COLUMNS, summaryLine } from './markdown.ts';

/** What is known of a run beside its rows. */
export interface RunFacts {
  readonly startedAt: string;
  readonly seed: number;
  readonly version: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly ms: number;
  readonly wasInterrupted: boolean;
}

/** The table as a page that needs nothing else. */
export function chaosPage(results: readonly RowResult[], run: RunFacts): string {
  const broken = results.filter(({ verdict }) => verdict === 'broken' || verdict === 'failed');
  const isGood = broken.length === 0 && !run.wasInterrupted;
  const notes = broken.flatMap(({ fault, notes: said }) => said.map((note) => [fault, note]));
  return page({
    title: 'Faults survived',
    subtitle: `${run.startedAt}, Headgate ${run.version}, seed ${run.seed}`,
    verdict: { text: `${summaryLine(results)}${run.wasInterrupted ? '; interrupted' : ''}`, tone: isGood ? 'good' : 'bad' },
    parts: [
      tiles([
        { name: 'calls', value: sum(results, (tally) => tally.requests) },
        { name: 'answered', value: sum(results, (tally) => tally.ok) },
        { name: 'clean errors', value: sum(results, (tally) => Object.values(tally.errors).reduce((all, times) => all + times, 0)) },
        { name: 'broken streams', value: sum(results, (tally) => tally.broken), note: 'told by an error event' },
      ]),
      ...(notes.length > 0 ? [section('What was broken', table(['fault', 'what'], notes))] : []),
      section(
        'Faults',
        table(
          [...COLUMNS],
          results.map((result) => cellsOf(result)),
        ),
      ),
      section('How long', timesPlot(results)),
      facts('Machine and run', { ...run.machine, seed: run.seed, seconds: Math.round(run.ms / 1_000) }),
    ],
  });
}

function timesPlot(results: readonly RowResult[]): string {
  const points = (of: (result: RowResult) => number | null) =>
    results.flatMap((result, at) => {
      const ms = of(result);
      return ms === null || ms <= 0 ? [] : [[at + 1, ms / 1_000] as const];
    });
  return plot({
    title: 'Times of each fault',
    x: 'row of the table',
    y: 'seconds',
    logY: true,
    series: [
      { name: 'worst client wait', tone: 3, as: 'dots', points: points(({ tally }) => tally?.worstMs ?? null) },
      { name: 'to detect', tone: 1, as: 'dots', points: points(({ detectMs }) => detectMs) },
      { name: 'to recover', tone: 'bad', as: 'dots', points: points(({ recoverMs }) => recoverMs) },
    ],
  });
}

function sum(results: readonly RowResult[], of: (tally: NonNullable<RowResult['tally']>) => number): string {
  return results.reduce((all, { tally }) => all + (tally === null ? 0 : of(tally)), 0).toLocaleString('en');
}
