import { Histogram, type HistogramConfiguration } from 'prom-client';

/** A trace that shows how one observation came about. */
export interface TraceMark {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** As prom-client writes it into OpenMetrics. */
export interface Exemplar {
  readonly labelSet: { readonly trace_id: string };
  readonly value: number;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

const MS_PER_SECOND = 1000;

/** One series of a histogram, as plain numbers. */
export class Distribution {
  readonly labels: Readonly<Record<string, string>>;
  readonly bounds: readonly number[];
  /** Observations in each bucket alone; what is above the last bound is in none. */
  readonly #counts: number[];
  /** By bucket, that above the last bound included: the last trace that fell into it. */
  #exemplars: (Exemplar | undefined)[] | null = null;
  #sum = 0;
  #count = 0;

  /** `bounds`: the upper ones, ascending. */
  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels;
    this.bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number, trace: TraceMark | null = null): void {
    if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be observed.`);
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    if (i < bounds.length) this.#counts[i]! += 1;
    this.#sum += value;
    this.#count += 1;
    if (trace === null) return;
    this.#exemplars ??= [];
    this.#exemplars[i] = { labelSet: { trace_id: trace.traceId }, value, timestamp: trace.at / MS_PER_SECOND };
  }

  /** As a histogram called `name` shows it, in prom-client's own order. */
  values(name: string): HistogramValue[] {
    const { labels } = this;
    let below = 0;
    const buckets: HistogramValue[] = this.bounds.map((le, i) => {
      below += this.#counts[i]!;
      return this.#marked(i, { labels: { le, ...labels }, value: below, metricName: `${name}_bucket` });
    });
    return [
      ...buckets,
      this.#marked(this.bounds.length, { labels: { le: '+Inf', ...labels }, value: this.#count, metricName: `${name}_bucket` }),
      { labels: { ...labels }, value: this.#sum, metricName: `${name}_sum` },
      { labels: { ...labels }, value: this.#count, metricName: `${name}_count` },
    ];
  }

  #marked(bucket: number, value: HistogramValue): HistogramValue {
    const exemplar = this.#exemplars?.[bucket];
    return exemplar === undefined ? value : { ...value, exemplar };
  }
}

type Page = Awaited<ReturnType<Histogram['get']>>;
type HistogramValue = Page['values'][number] & { readonly exemplar?: Exemplar };

/**
 * A histogram of prom-client's for the page alone: its series are kept elsewhere. Its own way to observe makes a text of the labels each time
 * to find the series by: 200 ns (two labels, 15.1.3).
 */
export class ReadHistogram extends Histogram {
  readonly #series: () => Iterable<Distribution>;
  readonly #config: HistogramConfiguration<string>;

  constructor(config: HistogramConfiguration<string>, series: () => Iterable<Distribution>) {
    super(config);
    this.#config = config;
    this.#series = series;
  }

  override async get(): Promise<Page> {
    const { name, help, aggregator = 'sum' } = this.#config;
    const values = [...this.#series()].flatMap((one) => one.values(name));
    // The type declares a number for the kind, and a function that no page has.
    return { name, help, type: 'histogram', values, aggregator } as unknown as Page;
  }

  /** What the registry asks for when it makes the text. */
  getForPromString(): Promise<Page> {
    return this.get();
  }
}
