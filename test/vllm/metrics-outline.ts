/** Labels whose values say which series of a family one is. */
const TELLING = new Set(['le', 'reason', 'source', 'sleep_state', 'finished_reason', 'engine', 'model_name', 'generation']);

/** A page of metrics without its figures: families with their types and texts, series with their labels, in the page's own order. */
export function metricsOutline(page: string): string[] {
  const lines = page
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.startsWith('#') ? line : seriesOf(line)));
  // Which routes were called, and which way, is no matter of the engine's.
  return lines.filter((line, at) => line.startsWith('#') || !line.startsWith('http_') || lines.indexOf(line) === at);
}

function seriesOf(line: string): string {
  const name = /^[^{ ]+/.exec(line)![0];
  const labels = [...line.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) =>
    TELLING.has(key!) ? `${key}=${value}` : key,
  );
  return `${name}{${labels.join(',')}}`;
}
