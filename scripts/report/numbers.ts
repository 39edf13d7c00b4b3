/** A number for a person: three digits that matter, thousands parted, a dash where there is none. */
export function shown(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US').replace('-', '−');
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3).replace('-', '−');
}

/** A time for a person, in ms up to ten seconds and in s from there on. */
export function shownMs(ms: number): string {
  if (Number.isNaN(ms)) return '–';
  return Math.abs(ms) < 10_000 ? `${shown(ms)} ms` : `${shown(ms / 1000)} s`;
}

/** How long something takes, or has taken: 45 s, 3 min 20 s, 1 h 5 min. */
export function shownSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
