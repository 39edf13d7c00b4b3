// Figures as people read them. null becomes a dash everywhere.

export const NONE = '–';

/** @param {number | null | undefined} value @param {number} [digits] */
export function number(value, digits = 0) {
  if (value == null || !Number.isFinite(value)) return NONE;
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** Three digits that mean something. @param {number | null | undefined} value */
export function rate(value) {
  if (value == null) return NONE;
  if (value >= 1_000_000_000) return `${number(value / 1e9, 1)}G`;
  if (value >= 1_000_000) return `${number(value / 1e6, 1)}M`;
  if (value >= 100_000) return `${number(value / 1000)}k`;
  if (value >= 10_000) return `${number(value / 1000, 1)}k`;
  return number(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** @param {number | null | undefined} ms */
export function millis(ms) {
  if (ms == null) return NONE;
  if (ms < 1) return `${number(ms, 1)} ms`;
  if (ms < 1000) return `${number(ms, ms < 10 ? 1 : 0)} ms`;
  return seconds(ms / 1000);
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (value == null) return NONE;
  if (value < 10) return `${number(value, 1)} s`;
  if (value < 90) return `${number(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 90) return `${minutes} min${value < 600 ? ` ${String(Math.floor(value % 60)).padStart(2, '0')} s` : ''}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** @param {number | null | undefined} value */
export function gib(value) {
  if (value == null) return NONE;
  return number(value / 2 ** 30, 1);
}

/** @param {number | null | undefined} ratio */
export function percent(ratio) {
  if (ratio == null) return NONE;
  return `${number(ratio * 100, ratio > 0 && ratio < 0.1 ? 1 : 0)} %`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function count(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A name without the folder before it. @param {string | null | undefined} id */
export function shortModel(id) {
  return id == null ? NONE : (id.split('/').at(-1) ?? id);
}

/** @param {string} text */
export function sentence(text) {
  const words = text.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
