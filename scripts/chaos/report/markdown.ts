import { leakedText } from '../law/leaks.ts';
import type { RowResult } from '../rows/row-result.ts';

/** Names of the columns, as the table of faults has them. */
export const COLUMNS = [
  'fault',
  'injected how',
  'requests',
  'ok',
  'clean error (code)',
  'broken streams',
  'worst client wait',
  'time to detect',
  'time to recover',
  'leaked in-flight/sockets',
  'invariant checked',
] as const;

const LAW = 'law of calls';

/** The cells of a row. */
export function cellsOf(result: RowResult): string[] {
  const { fault, how, holds, tally, lines, detectMs, recoverMs, left, verdict, notes, struck } = result;
  const isShown = verdict === 'survived' || verdict === 'broken';
  if (!isShown || tally === null) {
    const said = `${verdict}: ${notes[0] ?? ''}`;
    return [fault, how, ...Array.from({ length: 8 }, () => '–'), said];
  }
  const errors = Object.entries(tally.errors).map(([code, times]) => `${times} (${code})`);
  if (tally.cut > 0) errors.push(`${tally.cut} cut`);
  if (tally.nonsense > 0) errors.push(`${tally.nonsense} unreadable`);
  const requests = `${tally.requests}${lines === null ? '' : ` + ${lines.lines} lines`}`;
  const ok = `${tally.ok}${lines === null ? '' : ` + ${lines.lines - lines.failed}`}${tally.left > 0 ? ` (${tally.left} left)` : ''}`;
  return [
    fault,
    `${how} (struck ${struck.toLocaleString('en')}×)`,
    requests,
    ok,
    errors.join(', ') || '0',
    String(tally.broken),
    seconds(tally.worstMs),
    detectMs === null ? 'not noticed' : seconds(detectMs),
    recoverMs === null || recoverMs === 0 ? 'at once' : seconds(recoverMs),
    left === null ? '–' : leakedText(left),
    verdict === 'survived'
      ? `${LAW}; ${holds}`
      : `**broken**: ${notes[0] ?? ''}${notes.length > 1 ? ` (and ${notes.length - 1} more)` : ''}`,
  ];
}

/** The table as Markdown. */
export function markdownTable(results: readonly RowResult[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(COLUMNS), `|${COLUMNS.map(() => '---|').join('')}`, ...results.map((result) => line(cellsOf(result)))].join('\n');
}

/** One line on what came of all. */
export function summaryLine(results: readonly RowResult[]): string {
  const count = (verdict: RowResult['verdict']): number => results.filter((result) => result.verdict === verdict).length;
  const requests = results.reduce((sum, { tally, lines }) => sum + (tally?.requests ?? 0) + (lines?.lines ?? 0), 0);
  const parts = [`${count('survived')} faults survived`, `${count('broken')} broken`, `${count('failed')} not played`];
  return `${parts.join(', ')}, ${count('skipped')} skipped; ${requests.toLocaleString('en')} calls and lines of batches`;
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
