import { figures, verdicts } from './report-text.ts';
import type { Disagreement, Joined } from './join.ts';
import type { SideReport } from './tally.ts';

/** A vector may have thousands of numbers. */
const MOST_CHARS = 20_000;

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}
.texts{table-layout:fixed;width:100%}.texts th:first-child{width:12rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:13px}
.failed{background:#fdecea}td.id{overflow-wrap:anywhere}`;

/** The page up to its table of disagreements. It needs nothing but itself. */
export function pageHead(a: SideReport, b: SideReport, joined: Joined): string {
  const title = `${escaped(a.name)} and ${escaped(b.name)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><style>${STYLE}</style></head><body>
<h1>Two batches compared</h1>
<p>A: ${escaped(a.name)}<br>B: ${escaped(b.name)}</p>
<table><tr><th></th><th>A</th><th>B</th></tr>${rows(figures(a, b))}</table>
<table>${rows(verdicts(joined))}</table>
<h2>Where they disagree: ${joined.disagreements.length}</h2>
<table class="texts"><tr><th>custom_id</th><th>A</th><th>B</th></tr>
`;
}

export function pageRow({ customId, verdict }: Pick<Disagreement, 'customId' | 'verdict'>, a: string, b: string): string {
  const cell = (text: string, isFailed: boolean): string => `<td${isFailed ? ' class="failed"' : ''}><pre>${escaped(cut(text))}</pre></td>`;
  return `<tr><td class="id">${escaped(customId)}</td>${cell(a, verdict === 'failed_a')}${cell(b, verdict === 'failed_b')}</tr>\n`;
}

export const PAGE_END = '</table></body></html>\n';

function rows(cells: readonly (readonly string[])[]): string {
  return cells.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('');
}

function cut(text: string): string {
  return text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS)}… (${text.length} letters)`;
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char]!);
}
