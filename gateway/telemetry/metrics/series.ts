import { Counter, type CounterConfiguration, type HistogramConfiguration } from 'prom-client';
import { Distribution, ReadHistogram } from './distribution.ts';

/** Series of one metric before further label sets are folded into `other`: what a mistake at a call site may cost at most. */
const MAX_SERIES = 2000;
const MAX_LABEL_CHARS = 128;
export const OVERFLOW_LABEL = 'other';

interface Child<Bound> {
  readonly values: readonly string[];
  readonly bound: Bound;
}

/**
 * The label sets of one metric that are in use, each bound once and found again by its values in the table's order.
 * `bind` makes a child, `remove` takes its series off the page.
 */
class SeriesCache<Bound> {
  readonly #children = new Map<string, Child<Bound>>();
  readonly #bind: (values: readonly string[]) => Bound;
  readonly #remove: (values: readonly string[]) => void;

  constructor(bind: (values: readonly string[]) => Bound, remove: (values: readonly string[]) => void) {
    this.#bind = bind;
    this.#remove = remove;
  }

  get(values: readonly string[]): Bound {
    const key = values.length === 1 ? values[0]! : values.join('\u0000');
    return (this.#children.get(key) ?? this.#add(key, values)).bound;
  }

  #add(key: string, values: readonly string[]): Child<Bound> {
    const folded = this.#children.size >= MAX_SERIES || values.some((value) => value.length > MAX_LABEL_CHARS);
    if (folded && values.some((value) => value !== OVERFLOW_LABEL)) {
      const other = values.map(() => OVERFLOW_LABEL);
      const otherKey = other.join('\u0000');
      return this.#children.get(otherKey) ?? this.#add(otherKey, other);
    }
    const child = { values: [...values], bound: this.#bind(values) };
    this.#children.set(key, child);
    return child;
  }

  *bound(): Iterable<Bound> {
    for (const { bound } of this.#children.values()) yield bound;
  }

  /** Drops every series whose label at `index` is not kept. */
  dropUnless(index: number, kept: (value: string) => boolean): void {
    for (const [key, { values }] of this.#children) {
      const value = values[index];
      if (value === undefined || value === OVERFLOW_LABEL || kept(value)) continue;
      this.#children.delete(key);
      this.#remove(values);
    }
  }
}

/** A counter by label values; costs one look-up once the series exists. */
export interface Tally {
  add(amount: number, ...labels: string[]): void;
  /** Drops the series of this label whose value is not kept. */
  dropUnless(index: number, kept: (value: string) => boolean): void;
}

/** A histogram by label values. */
export interface Meter {
  observe(value: number, ...labels: string[]): void;
}

/** What has been counted of one series since the last scrape. */
interface Counted {
  readonly series: Counter.Internal;
  pending: number;
}

/** A counter of prom-client's that is told at each scrape what has come together: to find a series by its labels costs it a microsecond. */
class ReadCounter extends Counter {
  readonly #flush: () => void;

  constructor(config: CounterConfiguration<string>, flush: () => void) {
    super(config);
    this.#flush = flush;
  }

  override get(): ReturnType<Counter['get']> {
    this.#flush();
    return super.get();
  }
}

/** Registers a counter. What is added must be a number, and not below 0: @throws TypeError */
export function tallyOf(config: CounterConfiguration<string>): Tally {
  const cache = new SeriesCache<Counted>(
    (values) => {
      const series = counter.labels(...values);
      // It is on the page from its first mention on.
      series.inc(0);
      return { series, pending: 0 };
    },
    (values) => counter.remove(...values),
  );
  const counter = new ReadCounter(config, () => {
    for (const counted of cache.bound()) {
      if (counted.pending > 0) counted.series.inc(counted.pending);
      counted.pending = 0;
    }
  });
  return {
    add(amount, ...labels) {
      if (!(amount >= 0 && amount < Infinity)) throw new TypeError(`A counter cannot grow by ${amount}.`);
      cache.get(labels).pending += amount;
    },
    dropUnless: (index, kept) => cache.dropUnless(index, kept),
  };
}

/** Registers a histogram. What is observed must be a number: @throws TypeError */
export function meterOf(config: HistogramConfiguration<string> & { readonly buckets: number[] }): Meter {
  const { buckets, labelNames = [] } = config;
  const cache = new SeriesCache<Distribution>(
    (values) => new Distribution(Object.fromEntries(labelNames.map((name, i) => [name, values[i]!])), buckets),
    () => {},
  );
  // One without labels is on the page from the start.
  if (labelNames.length === 0) cache.get([]);
  new ReadHistogram(config, () => cache.bound());
  return { observe: (value, ...labels) => cache.get(labels).observe(value) };
}
