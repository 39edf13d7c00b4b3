import type { Registry } from 'prom-client';

interface Page {
  readonly contentType: string;
  readonly body: string;
}

const CLASSIC_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/**
 * The page of /metrics: classic text, or OpenMetrics where `accept` asks for it. The registry must be one of OpenMetrics.
 *
 * The classic text is made from the other. prom-client 15 takes `_total` off a counter's name for good when it renders OpenMetrics
 * (prometheus/client_js pull request 829), so a registry whose content type is switched back and forth loses the suffix.
 */
export async function renderMetrics(registry: Registry, accept: string | undefined): Promise<Page> {
  // prom-client writes NaN as "Nan".
  const text = (await registry.metrics()).replace(/ Nan$/gm, ' NaN');
  return wantsOpenMetrics(accept ?? '')
    ? { contentType: OPENMETRICS_TYPE, body: text }
    : { contentType: CLASSIC_TYPE, body: toClassicText(text) };
}

/** Whether an Accept header prefers OpenMetrics to plain text (`*` in its place counts as plain text). */
export function wantsOpenMetrics(accept: string): boolean {
  let open = 0;
  let plain = 0;
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight === undefined ? 1 : Number(weight.slice(2)) || 0;
    if (type === 'application/openmetrics-text') open = Math.max(open, quality);
    else if (type === 'text/plain' || type === 'text/*') plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain;
}

/** OpenMetrics text as Prometheus text 0.0.4: counters get their suffix back in HELP and TYPE, exemplars and the end mark go. */
export function toClassicText(openMetrics: string): string {
  const counters = new Set<string>();
  for (const [, name] of openMetrics.matchAll(/^# TYPE (\S+) counter$/gm)) counters.add(name!);
  const lines: string[] = [];
  for (const line of openMetrics.split('\n')) {
    if (line === '# EOF') continue;
    if (!line.startsWith('# ')) {
      lines.push(withoutExemplar(line));
      continue;
    }
    const [, keyword, name = '', ...rest] = line.split(' ');
    lines.push(counters.has(name) ? ['#', keyword, `${name}_total`, ...rest].join(' ') : line);
  }
  return lines.join('\n');
}

/** A label value may hold ` # {` too, so the mark is looked for behind the closing brace of the labels only. */
function withoutExemplar(sample: string): string {
  const mark = sample.lastIndexOf(' # {');
  if (mark < 0) return sample;
  const before = sample.slice(0, mark);
  return /^[^{]+(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})? \S+$/.test(before) ? before : sample;
}
