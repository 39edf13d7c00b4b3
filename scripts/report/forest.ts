import { linearAxis } from './axis.ts';
import { escaped } from './escape.ts';

/** One line of a forest: an estimate and the interval about it. */
export interface ForestRow {
  readonly name: string;
  readonly at: number;
  /** Infinite: it goes on beyond the plot. */
  readonly low: number;
  readonly high: number;
  /** `plain`: nothing was shown. */
  readonly tone: 'good' | 'bad' | 'plain';
  /** In words, at its right. */
  readonly text: string;
}

interface ForestOptions {
  readonly title: string;
  readonly x: string;
  readonly rows: readonly ForestRow[];
}

const WIDTH = 640;
const ROW = 34;
const FRAME = { left: 16, right: 16, top: 40, bottom: 44 };
const INNER = WIDTH - FRAME.left - FRAME.right;

/** Estimates with their intervals below one another, and the line of no difference, as SVG for a page of page.ts. */
export function forest({ title, x, rows }: ForestOptions): string {
  const height = FRAME.top + rows.length * ROW + FRAME.bottom;
  const known = rows.flatMap(({ at, low, high }) => [at, low, high]).filter(Number.isFinite);
  const axis = linearAxis(Math.min(0, ...known), Math.max(0, ...known), INNER, 6);
  const place = (value: number): number => Math.round((FRAME.left + Math.max(0, Math.min(INNER, axis.at(value)))) * 10) / 10;
  const end = (value: number): number => (Number.isFinite(value) ? place(value) : value > 0 ? WIDTH - FRAME.right : FRAME.left);
  const floor = FRAME.top + rows.length * ROW;
  const drawn = rows.map(({ name, at, low, high, tone, text }, i) => {
    const y = FRAME.top + i * ROW + 24;
    const [from, to] = [end(low), end(high)];
    const caps = [low, high].filter(Number.isFinite).map((value) => `M${place(value)} ${y - 4}v8`);
    const dot = Number.isFinite(at) ? `<circle cx="${place(at)}" cy="${y}" r="5"/>` : '';
    return `<g class="forest ${tone}"><text x="${FRAME.left}" y="${y - 12}">${escaped(name)}</text><text class="end" x="${WIDTH - FRAME.right}" y="${y - 12}">${escaped(text)}</text><path d="M${from} ${y}H${to}${caps.join('')}"/>${dot}</g>`;
  });
  const ticks = axis.ticks.map(({ at, text }) => `<text class="tick x" x="${FRAME.left + at}" y="${floor + 18}">${escaped(text)}</text>`);
  const zero = `<path class="zero" d="M${place(0)} ${FRAME.top}V${floor}"/>`;
  return `<figure><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><text class="title" x="${FRAME.left}" y="22">${escaped(title)}</text>${zero}${drawn.join('')}${ticks.join('')}<text class="axis" x="${FRAME.left + INNER / 2}" y="${height - 8}">${escaped(x)}</text></svg></figure>`;
}
