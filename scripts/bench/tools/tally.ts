import { SpreadOfValues } from './spread-of-values.ts';

/** What a load generator prints. Times are in microseconds. */
export interface LoadResult {
  readonly seconds: number;
  readonly calls: number;
  readonly ok: number;
  readonly aborted: number;
  /** Under way when it hung up. */
  readonly held: number;
  readonly chunks: number;
  readonly bytes: number;
  /** By kind: `refused`, `cut`, `short` (a stream without all of its tokens), `unasked`, `dropped`, `status 503`. */
  readonly errors: Readonly<Record<string, number>>;
  readonly latency_us: Percentiles;
  readonly first_byte_us: Percentiles;
  readonly chunk_delay_us: Percentiles;
  /** How much later than it was due a call was made. */
  readonly late_us: Percentiles;
}

export type Percentiles = Readonly<Record<'count' | 'p50' | 'p90' | 'p99' | 'p999' | 'max', number>>;

/** What one thread of the load generator has seen; threads add theirs up. */
export class Tally {
  calls = 0;
  ok = 0;
  aborted = 0;
  held = 0;
  chunks = 0;
  bytes = 0;
  errors: Record<string, number> = {};
  latency = new SpreadOfValues();
  firstByte = new SpreadOfValues();
  delay = new SpreadOfValues();
  late = new SpreadOfValues();

  error(kind: string): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1;
  }

  add(other: Tally): void {
    for (const name of ['calls', 'ok', 'aborted', 'held', 'chunks', 'bytes'] as const) this[name] += other[name];
    for (const [kind, count] of Object.entries(other.errors)) this.errors[kind] = (this.errors[kind] ?? 0) + count;
    for (const name of ['latency', 'firstByte', 'delay', 'late'] as const) this[name].add(other[name]);
  }

  result(seconds: number): LoadResult {
    const { calls, ok, aborted, held, chunks, bytes, errors } = this;
    return {
      ...{ seconds, calls, ok, aborted, held, chunks, bytes, errors },
      latency_us: this.latency.summary(),
      first_byte_us: this.firstByte.summary(),
      chunk_delay_us: this.delay.summary(),
      late_us: this.late.summary(),
    };
  }
}
