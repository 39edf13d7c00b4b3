import { centreInterval } from '../../abtest/figures/interval.ts';
import { percentile } from '../../load/figures/distribution.ts';
import { seeded } from '../../load/workload/seeded.ts';

/** A call as its client saw it. */
export interface CallSeen {
  readonly kind: string;
  readonly ttftMs: number;
  readonly e2eMs: number;
}

export interface Run {
  readonly calls: readonly CallSeen[];
  /** Tokens of prompts that were asked, were found in caches, and were computed. */
  readonly queries: number;
  readonly hits: number;
  readonly prefilled: number;
  /** The busiest worker's calls over the mean of all, as calls came, on average over those calls that found any. */
  readonly imbalance: number;
}

/** What a run comes to. Milliseconds. */
export interface Figures {
  readonly ttftMean: number;
  readonly ttftP50: number;
  readonly ttftP95: number;
  readonly e2eP50: number;
  /** TTFT p50 of each kind of call. */
  readonly kinds: ReadonlyMap<string, number>;
  readonly hitRate: number;
  readonly prefilled: number;
  readonly imbalance: number;
}

export function figuresOf({ calls, hits, queries, prefilled, imbalance }: Run): Figures {
  const sorted = (values: readonly number[]): Float64Array => Float64Array.from(values).toSorted();
  const ttft = sorted(calls.map(({ ttftMs }) => ttftMs));
  const kinds = [...Map.groupBy(calls, ({ kind }) => kind)].map(
    ([kind, all]) => [kind, percentile(sorted(all.map(({ ttftMs }) => ttftMs)), 0.5)] as const,
  );
  return {
    ttftMean: mean([...ttft]),
    ttftP50: percentile(ttft, 0.5),
    ttftP95: percentile(ttft, 0.95),
    e2eP50: percentile(sorted(calls.map(({ e2eMs }) => e2eMs)), 0.5),
    kinds: new Map(kinds.toSorted(([a], [b]) => a.localeCompare(b))),
    hitRate: queries === 0 ? 0 : hits / queries,
    prefilled,
    imbalance,
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** How many times the one is the other, seed by seed, with an interval that covers the truth in 95 of 100 such comparisons. */
export function ratioOf(of: readonly number[], to: readonly number[], seed: number): Ratio {
  const logs = of.map((value, at) => Math.log(value / to[at]!));
  const { low, high } = centreInterval(logs, 0.95, seeded(seed));
  return { ratio: Math.exp(mean(logs)), low: Math.exp(low), high: Math.exp(high) };
}
