import { escaped } from './escape.ts';

/** One field of a heat map. */
export interface HeatCell {
  /** What is written into it, a line each, two at most. */
  readonly lines: readonly string[];
  /** How strong it is coloured; null: it has none, and is an empty box. */
  readonly value: number | null;
  /** `best` has a frame, `bad` an edge in the colour of what went wrong, `none`, which was not looked at, a dashed one. */
  readonly mark?: 'best' | 'bad' | 'none';
  /** For whoever points at it. */
  readonly hint?: string;
}

export interface HeatMapOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly cell: (column: number, row: number) => HeatCell;
}

const WIDTH = 640;
const FRAME = { left: 92, right: 16, top: 34, bottom: 48 };
const ROW_HEIGHT = 58;
const GAP = 3;
/** The weakest value is still to be seen, and the strongest still to be read upon. */
const [FAINTEST, STRONGEST] = [0.08, 0.62];

/** Values over two settings as SVG, for a page of page.ts: the stronger the colour, the more. */
export function heatMap({ title, x, y, columns, rows, cell }: HeatMapOptions): string {
  const width = (WIDTH - FRAME.left - FRAME.right) / columns.length;
  const height = FRAME.top + rows.length * ROW_HEIGHT + FRAME.bottom;
  const cells = rows.map((_, row) => columns.map((__, column) => cell(column, row)));
  const values = cells.flat().flatMap(({ value }) => (value === null || !Number.isFinite(value) ? [] : [value]));
  const [low, high] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  const opacity = (value: number): number => FAINTEST + (high === low ? 1 : (value - low) / (high - low)) * (STRONGEST - FAINTEST);
  // The first row lies at the bottom, as an axis has it.
  const top = (row: number): number => FRAME.top + (rows.length - 1 - row) * ROW_HEIGHT;
  const drawn = cells.flatMap((line, row) =>
    line.map((each, column) => drawCell(each, FRAME.left + column * width, top(row), width, opacity)),
  );
  const below = columns.map(
    (text, column) => `<text class="tick x" x="${round(FRAME.left + (column + 0.5) * width)}" y="${height - 28}">${escaped(text)}</text>`,
  );
  const beside = rows.map(
    (text, row) => `<text class="tick y" x="${FRAME.left - 8}" y="${top(row) + ROW_HEIGHT / 2 + 4}">${escaped(text)}</text>`,
  );
  const middle = FRAME.top + (rows.length * ROW_HEIGHT) / 2;
  const names = `<text class="axis" x="${round((FRAME.left + WIDTH - FRAME.right) / 2)}" y="${height - 8}">${escaped(x)}</text><text class="axis y" transform="translate(14 ${middle}) rotate(-90)">${escaped(y)}</text>`;
  return `<figure><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><text class="title" x="${FRAME.left}" y="22">${escaped(title)}</text>${drawn.join('')}${below.join('')}${beside.join('')}${names}</svg></figure>`;
}

function drawCell(
  { lines, value, mark, hint }: HeatCell,
  left: number,
  top: number,
  width: number,
  opacity: (value: number) => number,
): string {
  const box = `x="${round(left + GAP / 2)}" y="${round(top + GAP / 2)}" width="${round(width - GAP)}" height="${ROW_HEIGHT - GAP}" rx="5"`;
  const isEmpty = value === null || !Number.isFinite(value);
  const fill = isEmpty ? '' : `<rect ${box} fill="var(--c)" fill-opacity="${round(opacity(value) * 100) / 100}"/>`;
  const edge =
    mark === 'best'
      ? `<rect ${box} fill="none" stroke="var(--good)" stroke-width="3"/>`
      : isEmpty || mark === 'bad'
        ? `<rect ${box} fill="none" stroke="${mark === 'bad' ? 'var(--bad)' : 'var(--rule)'}"${mark === 'none' ? ' stroke-dasharray="4 4"' : ''}/>`
        : '';
  const first = top + ROW_HEIGHT / 2 + (lines.length > 1 ? -4 : 5);
  const text = lines
    .slice(0, 2)
    .map(
      (line, i) =>
        `<text x="${round(left + width / 2)}" y="${round(first + i * 17)}"${i === 0 ? ' font-weight="600"' : ''}${mark === 'none' ? ' opacity="0.6"' : ''}>${escaped(line)}</text>`,
    );
  return `<g class="cell t-${mark === 'bad' && isEmpty ? 'bad' : 1}">${hint === undefined ? '' : `<title>${escaped(hint)}</title>`}${fill}${edge}${text.join('')}</g>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
