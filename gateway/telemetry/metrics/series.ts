import type { Counter, Histogram } from 'prom-client';

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

export function tallyOf(counter: Counter): Tally {
  const cache = new SeriesCache<Counter.Internal>(
    (values) => counter.labels(...values),
    (values) => counter.remove(...values),
  );
  return {
    add: (amount, ...labels) => cache.get(labels).inc(amount),
    dropUnless: (index, kept) => cache.dropUnless(index, kept),
  };
}

export function meterOf(histogram: Histogram): Meter {
  const cache = new SeriesCache<Histogram.Internal<string>>(
    (values) => histogram.labels(...values),
    (values) => histogram.remove(...values),
  );
  return { observe: (value, ...labels) => cache.get(labels).observe(value) };
}
