import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from './html.js';
import * as history from './history.js';
import { theme } from './look.js';
import { clockTime, zone } from './when.js';

const HEIGHT = 176;
/** Between lines, where what is shown is counted. */
const WHOLE = [1, 10, 100, 1_000, 10_000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);
/** So much of it at least; more as there is more to show. */
const LEAST_S = 180;
const MOST_S = 900;

/** @typedef {{ label: string, tone: string, values: () => (number | null)[], fill?: boolean }} Line */

/** A color of the style sheet as the canvas takes it. @param {string} name */
function color(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  probe.style.display = 'none';
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** @param {string} found @param {number} share */
function faint(found, share) {
  const numbers = found.match(/[\d.]+/g) ?? ['0', '0', '0'];
  return `rgba(${numbers.slice(0, 3).join(',')},${share})`;
}

/**
 * Fifteen minutes, a second a point.
 * @param {{ label: string, lines: readonly Line[], show: (value: number | null) => string, whole?: boolean }} props
 */
export function Chart({ label, lines, show, whole = false }) {
  const host = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  void history.seconds.value;
  const shape = lines.map((line) => line.label).join('|');
  const data = () => /** @type {any} */ ([history.clock(), ...lines.map(({ values }) => values())]);

  useEffect(() => {
    const element = /** @type {HTMLDivElement} */ (host.current);
    const grid = { stroke: color('line'), width: 1 };
    const axis = { stroke: color('ink-3'), font: '11px system-ui, sans-serif', grid, ticks: { show: false }, border: { show: false } };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [10, 6, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'console' }, points: { size: 7 } },
        scales: {
          x: { time: true, range: (_, least, most) => [(most ?? 0) - span(least, most), most ?? 0] },
          y: { range: (_, __, most) => [0, most == null || most <= 0 ? 1 : most * 1.12] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 90, values: (_, ticks) => ticks.map(timeOf) },
          { ...axis, size: 52, space: 36, ...(whole ? { incrs: WHOLE } : {}), values: (_, ticks) => ticks.map((tick) => show(tick)) },
        ],
        series: [
          {},
          ...lines.map(({ label: of, tone, fill }) => {
            const stroke = color(tone);
            return {
              label: of,
              stroke,
              width: 1.75,
              spanGaps: false,
              points: { show: false },
              ...(fill ? { fill: faint(stroke, 0.14) } : {}),
            };
          }),
        ],
        hooks: { setCursor: [(self) => tell(self, element, lines, show)] },
      },
      data(),
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [shape, theme.value]);
  useEffect(() => {
    plot.current?.setData(data());
  }, [history.seconds.value]);

  const now = lines.map(({ label: of, values }) => `${of} ${show(values().at(-1) ?? null)}`).join(', ');
  return html`<div class="chart" role="img" aria-label=${`${label}, the last fifteen minutes. Now: ${now}`}>
    <div ref=${host}></div>
    <div class="tip" hidden aria-hidden="true"></div>
  </div>`;
}

/** @param {{ lines: readonly { label: string, tone: string }[] }} props */
export function Legend({ lines }) {
  return html`<ul class="legend">
    ${lines.map(({ label, tone }) => html`<li><i class=${`ink-${tone}`}></i>${label}</li>`)}
  </ul>`;
}

/** @param {number | null} least @param {number | null} most */
function span(least, most) {
  return Math.min(MOST_S, Math.max(LEAST_S, (most ?? 0) - (least ?? 0)));
}

/** @param {number} t */
function timeOf(t) {
  return new Date(t * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** What was, where the pointer is. @param {uPlot} self @param {HTMLElement} host @param {readonly Line[]} lines @param {(value: number | null) => string} show */
function tell(self, host, lines, show) {
  const tip = /** @type {HTMLElement} */ (host.nextElementSibling);
  const { idx, left } = self.cursor;
  if (tip === null) return;
  if (idx == null || left == null || left < 0) {
    tip.hidden = true;
    return;
  }
  const at = self.data[0][idx];
  tip.textContent = `${clockTime(at * 1000)} ${zone(at * 1000)}   ${lines.map(({ label }, i) => `${label} ${show(self.data[i + 1][idx] ?? null)}`).join('   ')}`;
  tip.hidden = false;
}
