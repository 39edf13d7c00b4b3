import { columns } from '../../../../gateway/core/log/columns.ts';
import { plainText } from '../../../../gateway/core/secrets/plain-text.ts';
import type { Joined } from './join.ts';
import type { SideReport } from './tally.ts';

const BEFORE = 20;

/** Names and values of both sides, a row each. */
export function figures(a: SideReport, b: SideReport): string[][] {
  const row = (name: string, of: (side: SideReport) => string): string[] => [name, of(a), of(b)];
  const rows = [
    row('model', ({ models }) => Object.keys(models).join(', ') || '-'),
    row('lines', ({ lines }) => String(lines)),
    row('errors', ({ errors }) => String(errors)),
    row('prompt tokens', (side) => String(side.prompt_tokens)),
    row('completion tokens', (side) => String(side.completion_tokens)),
    row('mean of a line', (side) => String(side.completion_length?.mean ?? '-')),
    row('p50', (side) => String(side.completion_length?.p50 ?? '-')),
    row('p95', (side) => String(side.completion_length?.p95 ?? '-')),
    row(
      'finish reasons',
      (side) =>
        Object.entries(side.finish_reasons)
          .map(([reason, lines]) => `${reason} ${lines}`)
          .join(', ') || '-',
    ),
  ];
  if (a.repeated + b.repeated > 0) rows.push(row('custom_id again', ({ repeated }) => String(repeated)));
  if (a.unreadable + b.unreadable > 0) rows.push(row('not results', ({ unreadable }) => String(unreadable)));
  return rows.map((cells) => cells.map(plainText));
}

/** What became of the custom_ids, a row each. */
export function verdicts({ counts }: Joined): string[][] {
  const compared = counts.same + counts.different;
  const share = compared === 0 ? '' : ` (${((counts.same * 100) / compared).toFixed(1)} % of ${compared} that both answered)`;
  return [
    ['same text', `${counts.same}${share}`],
    ['other text', String(counts.different)],
    ['failed in A alone', String(counts.failed_a)],
    ['failed in B alone', String(counts.failed_b)],
    ['failed in both', String(counts.failed_both)],
    ['in A alone', String(counts.only_a)],
    ['in B alone', String(counts.only_b)],
  ];
}

export function summaryText(a: SideReport, b: SideReport, joined: Joined): string {
  const head = `A  ${plainText(a.name)}\nB  ${plainText(b.name)}`;
  return `${head}\n\n${columns([['', 'A', 'B'], ...figures(a, b)]).join('\n')}\n\n${columns(verdicts(joined)).join('\n')}\n`;
}

/** Two texts side by side on one line, from a little before they differ. @param width of the whole line */
export function besides(customId: string, a: string, b: string, width: number): string {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const from = Math.max(0, same - BEFORE);
  const room = Math.max(10, Math.floor((width - 24) / 2));
  const [id, one, other] = [clipped(plainText(customId), 20), part(a, from, room), part(b, from, room)];
  return `${id.padEnd(20)}  ${one.padEnd(room)}  ${other}`.trimEnd();
}

function part(text: string, from: number, room: number): string {
  const shown = plainText(text.slice(from, from + 4 * room));
  return clipped(from > 0 ? `…${shown}` : shown, room);
}

function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
