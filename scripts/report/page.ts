import { escaped } from './escape.ts';

export interface PageOptions {
  readonly title: string;
  /** One line below the title: what was measured, where and when. */
  readonly subtitle: string;
  /** The result in words; `good`, `bad` or neither. */
  readonly verdict?: { readonly text: string; readonly tone: 'good' | 'bad' | 'plain' };
  /** HTML that others made with the functions of this folder, in order. */
  readonly parts: readonly string[];
}

/** A report as one HTML file that needs nothing else: no script, no outside host, dark where its reader likes it dark, fit for paper. */
export function page({ title, subtitle, verdict, parts }: PageOptions): string {
  const said = verdict ? `<p class="verdict ${verdict.tone}">${escaped(verdict.text)}</p>` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><header><h1>${escaped(title)}</h1><p>${escaped(subtitle)}</p></header><main>${said}${parts.join('\n')}</main></body></html>
`;
}

/** Large figures side by side. */
export function tiles(figures: readonly { readonly name: string; readonly value: string; readonly note?: string }[]): string {
  const each = figures.map(
    ({ name, value, note = '' }) =>
      `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>${note === '' ? '' : `<dd class="note">${escaped(note)}</dd>`}</div>`,
  );
  return `<dl class="tiles">${each.join('')}</dl>`;
}

/** A table whose first column is words and the others numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], caption = ''): string {
  const cell = (tag: string) => (text: string) => `<${tag}>${escaped(text)}</${tag}>`;
  const body = rows.map((row) => `<tr>${row.map(cell('td')).join('')}</tr>`).join('');
  const said = caption === '' ? '' : `<caption>${escaped(caption)}</caption>`;
  return `<div class="scroll" tabindex="0"><table>${said}<thead><tr>${head.map(cell('th')).join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

export function section(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escaped(title)}</h2>${parts.join('\n')}</section>`;
}

/** Plots side by side where there is room. */
export function plots(...each: readonly string[]): string {
  return `<div class="plots">${each.join('\n')}</div>`;
}

/** What was set, name by name, folded away. */
export function facts(title: string, values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  return `<details><summary>${escaped(title)}</summary><table class="facts">${rows.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(text(value))}</td></tr>`).join('')}</table></details>`;
}

const STYLE = `
:root{color-scheme:light dark;--bg:#f7f8fa;--card:#fff;--ink:#1a2230;--dim:#5c6675;--rule:#e2e6ec;--t1:#2f6fde;--t2:#0f9d7a;--t3:#b7791f;--t4:#8b4fd0;--t5:#c2417c;--t6:#4a7a8c;--bad:#cf3434;--good:#12805c}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--card:#171d25;--ink:#e6eaf0;--dim:#98a3b3;--rule:#28313d;--t1:#6ea0ff;--t2:#3ecfa5;--t3:#e3b25a;--t4:#b98af0;--t5:#f07fae;--t6:#83bccf;--bad:#ff7b72;--good:#3ecf8e}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main{max-width:1120px;margin:auto;padding:0 20px}header{padding-top:28px}h1{font-size:24px;margin:0;letter-spacing:-.01em}header p{color:var(--dim);margin:4px 0 18px}
h2{font-size:16px;margin:30px 0 10px}.verdict{padding:14px 18px;border-radius:10px;background:var(--card);border:1px solid var(--rule);border-left:5px solid var(--dim);font-size:16px;white-space:pre-line}
.verdict.good{border-left-color:var(--good)}.verdict.bad{border-left-color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px;margin:18px 0}.tiles div{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px}
.tiles dt{color:var(--dim);font-size:13px}.tiles dd{margin:2px 0;font-size:24px;font-weight:600;font-variant-numeric:tabular-nums}.tiles dd.note{margin:0;color:var(--dim);font-size:13px;font-weight:400}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:14px}figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:6px}svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:7px 14px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}tr:last-child td{border-bottom:0}
th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:500;font-size:13px}caption{text-align:left;padding:10px 14px 4px;color:var(--dim)}
details{margin:14px 0 30px;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:10px 14px}summary{cursor:pointer}.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}.facts th{text-align:left}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--dim)}svg .title{font-size:14px;font-weight:600;fill:var(--ink)}.tick.y{text-anchor:end}.tick.x,.axis,.empty{text-anchor:middle}
.grid{stroke:var(--rule);fill:none}path.mark{stroke:var(--bad);stroke-dasharray:5 4;fill:none}text.mark{fill:var(--bad);text-anchor:end}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}.area{fill:var(--c);opacity:.22}.dots circle{fill:var(--c);opacity:.55}.bars rect,.legend rect{fill:var(--c)}.cell text{fill:var(--ink);text-anchor:middle}
.forest path{stroke:var(--c);stroke-width:2.5;fill:none}.forest circle{fill:var(--c)}.forest text{fill:var(--ink)}.forest text.end{text-anchor:end;fill:var(--c);font-variant-numeric:tabular-nums}.forest.good{--c:var(--good)}.forest.bad{--c:var(--bad)}.forest.plain{--c:var(--dim)}.zero{stroke:var(--dim);stroke-dasharray:2 3;fill:none}
.t-1{--c:var(--t1)}.t-2{--c:var(--t2)}.t-3{--c:var(--t3)}.t-4{--c:var(--t4)}.t-5{--c:var(--t5)}.t-6{--c:var(--t6)}.t-bad{--c:var(--bad)}
@media print{body{background:#fff}details{break-inside:avoid}}`.trim();
