import { signal } from '@preact/signals';

const MOST = 900;

/** @type {number[]} */
let times = [];
/** @type {Map<string, (number | null)[]>} */
let columns = new Map();

/** Grows with every second that came; whoever reads the history reads this first. */
export const seconds = signal(0);

/** @param {{ since: number, columns: Record<string, (number | null)[]> }} history */
export function begin(history) {
  columns = new Map(Object.entries(history.columns));
  const length = Math.max(0, ...[...columns.values()].map((column) => column.length));
  times = Array.from({ length }, (_, i) => history.since + i);
  seconds.value++;
}

/** @param {{ t: number, values: Record<string, number> }} point */
export function add(point) {
  const last = times.at(-1);
  if (last !== undefined && point.t <= last) return;
  for (let t = last === undefined ? point.t : Math.max(last + 1, point.t - MOST); t <= point.t; t++) {
    times.push(t);
    for (const column of columns.values()) column.push(null);
  }
  for (const [name, value] of Object.entries(point.values)) {
    let column = columns.get(name);
    if (!column) columns.set(name, (column = times.map(() => null)));
    column[times.length - 1] = value;
  }
  const surplus = times.length - MOST;
  if (surplus > 0) {
    times.splice(0, surplus);
    for (const column of columns.values()) column.splice(0, surplus);
  }
  seconds.value++;
}

export function clock() {
  return times;
}

/** @param {string} name @returns {(number | null)[]} */
export function column(name) {
  const values = columns.get(name);
  if (!values) return times.map(() => null);
  // A second that nobody told of is no gap: it is taken for the mean of those beside it.
  return values.map((value, i) => {
    const [before, after] = [values[i - 1] ?? null, values[i + 1] ?? null];
    return value !== null || before === null || after === null ? value : (before + after) / 2;
  });
}

/** Names that begin like this. @param {string} prefix */
export function named(prefix) {
  return [...columns.keys()].filter((name) => name.startsWith(prefix));
}

/** The newest value, unless it is older than some seconds. @param {string} name @param {number} [within] */
export function latest(name, within = 5) {
  const values = columns.get(name);
  if (!values) return null;
  for (let i = values.length - 1; i >= Math.max(0, values.length - within); i--) if (values[i] !== null) return values[i];
  return null;
}

/** The mean of each value and those before it. @param {(number | null)[]} values @param {number} width */
export function smooth(values, width) {
  let [sum, held] = [0, 0];
  return values.map((value, i) => {
    if (value !== null) [sum, held] = [sum + value, held + 1];
    const gone = i >= width ? values[i - width] : null;
    if (gone !== null) [sum, held] = [sum - gone, held - 1];
    return held === 0 ? null : Math.max(0, sum / held);
  });
}

/** All that came in the last fifteen minutes of what is counted a second. @param {string} name */
export function total(name) {
  return Math.round((columns.get(name) ?? []).reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0));
}
