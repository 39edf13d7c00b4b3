/** Counts of observations up to each edge, as Prometheus has them. */
export class Histogram {
  readonly edges: readonly number[];
  readonly #counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(edges: readonly number[]) {
    this.edges = edges;
    this.#counts = new Float64Array(edges.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.edges.length && value > this.edges[at]!) at++;
    this.#counts[at]!++;
    this.sum += value;
    this.count++;
  }

  /** Observations at or below each edge, the last being all of them. */
  cumulative(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}

/** 1, 2, 5, 10, 20, 50 … up to `most`. */
export function oneTwoFive(most: number): number[] {
  const edges: number[] = [];
  for (let decade = 1; decade <= most; decade *= 10) {
    for (const digit of [1, 2, 5]) if (digit * decade <= most) edges.push(digit * decade);
  }
  return edges;
}
