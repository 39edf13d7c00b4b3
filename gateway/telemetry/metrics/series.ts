import { Counter, type CounterConfiguration, type HistogramConfiguration } from 'prom-client';
import { Distribution, ReadHistogram, type TraceMark } from './distribution.ts';

/** Series of one metric before further label sets are folded into `other` (gauges: left out): what a mistake at a call site may cost at most. */
export const MAX_SERIES = 2000;
const MAX_LABEL_CHARS = 128;
export const OVERFLOW_LABEL = 'other';

interface Child<Bound> {
  readonly values: readonly string[];
  readonly bound: Bound;
}

/** The label sets that begin alike, by their next label. */
type Branch<Bound> = Map<string, Branch<Bound> | Child<Bound>>;

/**
 * The label sets of one metric that are in use, each bound once and found again by its values in the table's order: label by label, since one
 * text of them all would have to be made and hashed at every count. `bind` makes a child, `remove` takes its series off the page.
 */
class SeriesCache<Bound> {
  readonly #children = new Set<Child<Bound>>();
  readonly #root: Branch<Bound> = new Map();
  readonly #bind: (values: readonly string[]) => Bound;
  readonly #remove: (values: readonly string[]) => void;

  constructor(bind: (values: readonly string[]) => Bound, remove: (values: readonly string[]) => void) {
    this.#bind = bind;
    this.#remove = remove;
  }

  get(values: readonly string[]): Bound {
    return (this.#find(values) ?? this.#add(values)).bound;
  }

  #add(values: readonly string[]): Child<Bound> {
    const folded = this.#children.size >= MAX_SERIES || values.some((value) => value.length > MAX_LABEL_CHARS);
    if (folded && values.some((value) => value !== OVERFLOW_LABEL)) {
      const other = values.map(() => OVERFLOW_LABEL);
      return this.#find(other) ?? this.#add(other);
    }
    const child = { values: [...values], bound: this.#bind(values) };
    this.#children.add(child);
    const keys = values.length === 0 ? NO_LABELS : values;
    let at = this.#root;
    for (const key of keys.slice(0, -1)) {
      const next = (at.get(key) as Branch<Bound> | undefined) ?? new Map();
      at.set(key, next);
      at = next;
    }
    at.set(keys.at(-1)!, child);
    return child;
  }

  #find(values: readonly string[]): Child<Bound> | undefined {
    const keys = values.length === 0 ? NO_LABELS : values;
    let at: Branch<Bound> | Child<Bound> | undefined = this.#root;
    for (let i = 0; i < keys.length && at !== undefined; i++) at = (at as Branch<Bound>).get(keys[i]!);
    return at as Child<Bound> | undefined;
  }

  *bound(): Iterable<Bound> {
    for (const { bound } of this.#children) yield bound;
  }

  /** Drops every series whose label at `index` is not kept. */
  dropUnless(index: number, kept: (value: string) => boolean): void {
    for (const child of this.#children) {
      const value = child.values[index];
      if (value === undefined || value === OVERFLOW_LABEL || kept(value)) continue;
      this.#children.delete(child);
      this.#forget(this.#root, child.values, 0);
      this.#remove(child.values);
    }
  }

  /** Takes a leaf away, and the branches that held nothing else. */
  #forget(branch: Branch<Bound>, values: readonly string[], depth: number): void {
    const key = values[depth]!;
    if (depth < values.length - 1) {
      const next = branch.get(key) as Branch<Bound>;
      this.#forget(next, values, depth + 1);
      if (next.size > 0) return;
    }
    branch.delete(key);
  }
}

/** Where the one series of a metric without labels lies. */
const NO_LABELS: readonly string[] = [''];

/** A counter by label values; costs one look-up once the series exists. */
export interface Tally {
  add(amount: number, ...labels: string[]): void;
  /** Drops the series of this label whose value is not kept. */
  dropUnless(index: number, kept: (value: string) => boolean): void;
}

/** A histogram by label values. */
export interface Meter {
  observe(value: number, ...labels: string[]): void;
  /** The same; readers of OpenMetrics are shown the trace beside the bucket. */
  observeTraced(trace: TraceMark | null, value: number, ...labels: string[]): void;
}

/** What has been counted of one series since the last scrape. */
interface Counted {
  readonly series: Counter.Internal;
  pending: number;
}

/** A counter of prom-client's that is told at each scrape what has come together: to find a series by its labels costs it 350 ns (five labels, 15.1.3). */
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
  return {
    observe: (value, ...labels) => cache.get(labels).observe(value),
    observeTraced: (trace, value, ...labels) => cache.get(labels).observe(value, trace),
  };
}
