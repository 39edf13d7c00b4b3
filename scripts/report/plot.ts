import { type Axis, linearAxis, logAxis } from './axis.ts';
import { escaped } from './escape.ts';

export type Point = readonly [x: number, y: number];

/** One set of points. `tone`: which of the page's colours; 1 to 6, or `bad` for what went wrong. */
export interface Series {
  readonly name: string;
  readonly tone: number | 'bad';
  readonly as: 'line' | 'dots' | 'bars' | 'area';
  readonly points: readonly Point[];
}

export interface PlotOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Powers of ten upward; zeros and less are left out. */
  readonly logY?: boolean;
  /** Instead of numbers below the plot. `at`: by the values of x. */
  readonly xTicks?: readonly { readonly at: number; readonly text: string }[];
  /** A dashed line across, such as an objective. */
  readonly marks?: readonly { readonly y: number; readonly text: string }[];
}

const [WIDTH, HEIGHT] = [640, 300];
const FRAME = { left: 64, right: 16, top: 34, bottom: 44 };
const [INNER_WIDTH, INNER_HEIGHT] = [WIDTH - FRAME.left - FRAME.right, HEIGHT - FRAME.top - FRAME.bottom];
/** More dots than this are no better to look at, and a page of megabytes. */
const MOST_DOTS = 4_000;

/** A plot as SVG, for a page of page.ts: colours are the page's, so that it is dark where that is. */
export function plot(options: PlotOptions): string {
  const { title, logY = false, marks = [] } = options;
  const series = options.series.map((one) => ({
    ...one,
    points: one.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!logY || y > 0)),
  }));
  const [xs, ys] = [series.flatMap(({ points }) => points.map(([x]) => x)), series.flatMap(({ points }) => points.map(([, y]) => y))];
  if (xs.length === 0) return frame(title, `<text class="empty" x="${WIDTH / 2}" y="${HEIGHT / 2}">nothing to show</text>`);
  const highest = maximum([...ys, ...marks.map(({ y }) => y)]);
  const y = logY ? logAxis(minimum(ys), highest, INNER_HEIGHT) : linearAxis(Math.min(0, minimum(ys)), highest, INNER_HEIGHT, 4);
  const x = options.xTicks ? fixedAxis(xs, options.xTicks) : linearAxis(minimum(xs), maximum(xs), INNER_WIDTH, 8);
  const place = ([px, py]: Point): Point => [round(FRAME.left + x.at(px)), round(FRAME.top + INNER_HEIGHT - y.at(py))];
  const floor = FRAME.top + INNER_HEIGHT;
  const drawn = series.map((one) => drawSeries(one, place, floor, xs.length));
  const dashed = marks.map(({ y: value, text }) => {
    const [, at] = place([0, value]);
    return `<path class="mark" d="M${FRAME.left} ${at}h${INNER_WIDTH}"/><text class="mark" x="${WIDTH - FRAME.right - 4}" y="${at - 4}">${escaped(text)}</text>`;
  });
  return frame(title, grid(x, y, options) + drawn.join('') + dashed.join('') + legend(series));
}

function drawSeries({ as, tone, points, name }: Series, place: (point: Point) => Point, floor: number, all: number): string {
  const placed = points.map(place);
  const path = placed.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join('');
  switch (as) {
    case 'line':
      return `<path class="line t-${tone}" d="${path}"/>`;
    case 'area':
      return placed.length === 0
        ? ''
        : `<path class="area t-${tone}" d="${path}L${placed.at(-1)![0]} ${floor}L${placed[0]![0]} ${floor}Z"/>`;
    case 'dots': {
      const each = Math.ceil(all / MOST_DOTS);
      const shownDots = placed.filter((_, i) => tone === 'bad' || i % each === 0);
      return `<g class="dots t-${tone}"><title>${escaped(name)}</title>${shownDots.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="2"/>`).join('')}</g>`;
    }
    case 'bars': {
      const width = Math.max(1, (INNER_WIDTH / Math.max(1, points.length)) * 0.86);
      return `<g class="bars t-${tone}">${placed.map(([x, y]) => `<rect x="${round(x - width / 2)}" y="${y}" width="${round(width)}" height="${round(floor - y)}"/>`).join('')}</g>`;
    }
  }
}

function grid(x: Axis, y: Axis, options: PlotOptions): string {
  const floor = FRAME.top + INNER_HEIGHT;
  const across = y.ticks.map(({ at, text }) => {
    const line = round(floor - at);
    return `<path class="grid" d="M${FRAME.left} ${line}h${INNER_WIDTH}"/><text class="tick y" x="${FRAME.left - 8}" y="${line + 4}">${escaped(text)}</text>`;
  });
  const below = x.ticks.map(
    ({ at, text }) => `<text class="tick x" x="${round(FRAME.left + at)}" y="${floor + 18}">${escaped(text)}</text>`,
  );
  const names = `<text class="axis" x="${FRAME.left + INNER_WIDTH / 2}" y="${HEIGHT - 8}">${escaped(options.x)}</text><text class="axis y" transform="translate(14 ${FRAME.top + INNER_HEIGHT / 2}) rotate(-90)">${escaped(options.y)}</text>`;
  return across.join('') + below.join('') + names;
}

function legend(series: readonly Series[]): string {
  if (series.length < 2) return '';
  let right = WIDTH - FRAME.right;
  return series
    .toReversed()
    .map(({ name, tone }) => {
      right -= name.length * 7 + 22;
      return `<g class="legend t-${tone}"><rect x="${right}" y="13" width="10" height="10" rx="2"/><text x="${right + 15}" y="22">${escaped(name)}</text></g>`;
    })
    .join('');
}

function frame(title: string, inner: string): string {
  return `<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}"><text class="title" x="${FRAME.left}" y="22">${escaped(title)}</text>${inner}</svg></figure>`;
}

function fixedAxis(xs: readonly number[], ticks: NonNullable<PlotOptions['xTicks']>): Axis {
  const all = [...xs, ...ticks.map(({ at }) => at)];
  const [low, high] = [minimum(all), maximum(all)];
  const at = (value: number): number => ((value - low) / (high - low || 1)) * INNER_WIDTH;
  return { at, ticks: ticks.map((tick) => ({ at: at(tick.at), text: tick.text })) };
}

function minimum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
