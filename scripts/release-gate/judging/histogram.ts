import type { Distribution } from '../../load/figures/distribution.ts';

/** Each bucket is so much wider than the one before it: a quantile is off by half of that at most. */
const WIDTH = 1.002;
/** Milliseconds: what is less counts as this. */
const LEAST = 0.01;
const MOST = 1e8;
const BUCKETS = bucketOf(MOST) + 1;

/** How often which times came, in milliseconds: as much memory for a day of calls as for a minute. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #squares = 0;
  #min = Infinity;
  #max = -Infinity;

  /** What is no number is left out. */
  add(value: number): void {
    if (Number.isNaN(value)) return;
    this.#counts[bucketOf(value)]! += 1;
    this.#count += 1;
    this.#sum += value;
    this.#squares += value * value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }

  get count(): number {
    return this.#count;
  }

  /** The value that this share of them is at most, to a thousandth. NaN of none. */
  quantile(share: number): number {
    if (this.#count === 0) return NaN;
    let left = Math.max(1, Math.ceil(share * this.#count));
    const bucket = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.min(this.#max, Math.max(this.#min, LEAST * WIDTH ** (bucket + 0.5)));
  }

  /** How many are larger than a value, but for those that share its bucket. */
  above(value: number): number {
    return this.#counts.subarray(bucketOf(value) + 1).reduce((sum, count) => sum + count, 0);
  }

  distribution(): Distribution {
    const count = this.#count;
    if (count === 0) return { count: 0, mean: NaN, std: NaN, min: NaN, p50: NaN, p90: NaN, p95: NaN, p99: NaN, max: NaN };
    const mean = this.#sum / count;
    const std = Math.sqrt(Math.max(0, this.#squares / count - mean * mean));
    const [p50, p90, p95, p99] = [this.quantile(0.5), this.quantile(0.9), this.quantile(0.95), this.quantile(0.99)];
    return { count, mean, std, min: this.#min, p50, p90, p95, p99, max: this.#max };
  }
}

function bucketOf(value: number): number {
  return Math.floor(Math.log(Math.min(MOST, Math.max(LEAST, value)) / LEAST) / Math.log(WIDTH));
}
