import type { Histogram } from './histogram.ts';

export type Labels = Readonly<Record<string, string>>;

/** A number as Python's Prometheus client writes it. */
function prometheusNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  const text = Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
  const dot = text.indexOf('.');
  if (value <= 0 || dot <= 6 || text.includes('e')) return text;
  const mantissa = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/[0.]+$/, '');
  return `${mantissa}e+${String(dot - 1).padStart(2, '0')}`;
}

/** Writes families in the order, with the labels and the neighbours (`_created`) that vLLM's page has. */
export class PrometheusPage {
  #text = '';
  readonly #base: Labels;
  readonly #created: number;

  constructor(base: Labels, created: number) {
    this.#base = base;
    this.#created = created;
  }

  toString(): string {
    return this.#text;
  }

  /** What another page has. */
  append(text: string): void {
    this.#text += text;
  }

  family(name: string, type: string, help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  sample(name: string, labels: Labels, value: number): void {
    // Labels are in alphabetical order.
    const sorted = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
    const shown = sorted.map(([key, text]) => `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',');
    this.#text += shown === '' ? `${name} ${prometheusNumber(value)}\n` : `${name}{${shown}} ${prometheusNumber(value)}\n`;
  }

  gauge(name: string, help: string, samples: readonly (readonly [Labels, number])[]): void {
    this.family(name, 'gauge', help);
    for (const [labels, value] of samples) this.sample(name, { ...this.#base, ...labels }, value);
  }

  counter(name: string, help: string, samples: readonly (readonly [Labels, number])[]): void {
    this.family(`${name}_total`, 'counter', help);
    for (const [labels, value] of samples) this.sample(`${name}_total`, { ...this.#base, ...labels }, value);
    this.gauge(
      `${name}_created`,
      help,
      samples.map(([labels]) => [labels, this.#created] as const),
    );
  }

  summary(name: string, help: string, samples: readonly (readonly [Labels, { readonly count: number; readonly sum: number }])[]): void {
    this.family(name, 'summary', help);
    for (const [labels, { count, sum }] of samples) {
      this.sample(`${name}_count`, { ...this.#base, ...labels }, count);
      this.sample(`${name}_sum`, { ...this.#base, ...labels }, sum);
    }
    this.gauge(
      `${name}_created`,
      help,
      samples.map(([labels]) => [labels, this.#created] as const),
    );
  }

  histogram(name: string, help: string, histogram: Histogram): void {
    this.histograms(name, help, [[{}, histogram]]);
  }

  histograms(name: string, help: string, samples: readonly (readonly [Labels, Histogram])[]): void {
    this.family(name, 'histogram', help);
    for (const [labels, histogram] of samples) this.#buckets(name, { ...this.#base, ...labels }, histogram);
    this.gauge(
      `${name}_created`,
      help,
      samples.map(([labels]) => [labels, this.#created] as const),
    );
  }

  #buckets(name: string, labels: Labels, histogram: Histogram): void {
    histogram.cumulative().forEach((count, at) => {
      this.sample(`${name}_bucket`, { ...labels, le: prometheusNumber(histogram.edges[at] ?? Infinity) }, count);
    });
    this.sample(`${name}_count`, labels, histogram.count);
    this.sample(`${name}_sum`, labels, histogram.sum);
  }
}
