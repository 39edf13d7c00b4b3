const OCTAVE = 64;

/** Counts of values, 64 buckets to an octave: a value is known to 1.6 %. Two of them can be added up. */
export class SpreadOfValues {
  counts: Record<number, number> = {};
  total = 0;
  most = 0;

  note(value: number): void {
    const bucket = bucketOf(Math.max(0, Math.floor(value)));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.total++;
    if (value > this.most) this.most = Math.floor(value);
  }

  add(other: Pick<SpreadOfValues, 'counts' | 'total' | 'most'>): void {
    for (const [bucket, count] of Object.entries(other.counts)) this.counts[Number(bucket)] = (this.counts[Number(bucket)] ?? 0) + count;
    this.total += other.total;
    this.most = Math.max(this.most, other.most);
  }

  /** The value below which this share of them is; 0 where there are none. */
  at(share: number): number {
    const rank = Math.ceil(share * this.total);
    let seen = 0;
    for (const bucket of Object.keys(this.counts)
      .map(Number)
      .toSorted((a, b) => a - b)) {
      seen += this.counts[bucket]!;
      if (seen >= rank) return bucketValue(bucket);
    }
    return 0;
  }

  summary(): Record<'count' | 'p50' | 'p90' | 'p99' | 'p999' | 'max', number> {
    return { count: this.total, p50: this.at(0.5), p90: this.at(0.9), p99: this.at(0.99), p999: this.at(0.999), max: this.most };
  }
}

function bucketOf(value: number): number {
  if (value < OCTAVE) return value;
  const power = Math.floor(Math.log2(value));
  return (power - 5) * OCTAVE + (Math.floor(value / 2 ** (power - 6)) % OCTAVE);
}

function bucketValue(bucket: number): number {
  if (bucket < OCTAVE) return bucket;
  const power = Math.floor(bucket / OCTAVE) + 5;
  return 2 ** power + (bucket % OCTAVE) * 2 ** (power - 6);
}
