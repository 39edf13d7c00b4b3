import { distributionOf } from '../../load/figures/distribution.ts';
import type { Point } from './axes.ts';

/** What one load of a point came to. Times in milliseconds, rates a second. */
export interface Figures {
  /** Tokens that clients got a second while every place was taken; of the load itself where the caller chose it. */
  readonly outputTokenRate: number;
  readonly requestRate: number;
  /** Of the load that the objectives are held against. */
  readonly p95: { readonly e2e: number; readonly ttft: number; readonly tpot: number; readonly itl: number };
  /** From 0 to 1 of all calls. */
  readonly errorShare: number;
  readonly calls: number;
  /** How often the engine threw a sequence out of its cache, to compute it anew. */
  readonly preemptions: number;
  /** Why nothing may be concluded of it; empty for a valid load. */
  readonly problems: readonly string[];
}

/** ok: within the objectives · slo: it broke one · oom: it ran out of memory, or ran only with other settings · failed: for another reason */
export type Outcome = 'ok' | 'slo' | 'oom' | 'failed';

export interface PointResult {
  readonly point: Point;
  readonly outcome: Outcome;
  /** Of an oom or a failure, by the supervisor's names. */
  readonly failureClass: string | null;
  /** In plain words; null for ok. */
  readonly reason: string | null;
  /** Medians of the repeats; null where none was finished. */
  readonly figures: Figures | null;
  readonly repeats: readonly Figures[];
  /** How often it was launched. */
  readonly launches: number;
  /** Launch, load and stop, in milliseconds, of all launches. */
  readonly tookMs: number;
}

export function launchesOf(results: readonly PointResult[]): number {
  return results.reduce((sum, { launches }) => sum + launches, 0);
}

/** From so many preemptions a call on more sequences cannot help: the cache is full, not the list of sequences. */
const THRASH_SHARE = 0.05;

/** The cache is so full that work is thrown away. */
export function isThrashing({ figures }: PointResult): boolean {
  return figures !== null && figures.calls > 0 && figures.preemptions / figures.calls >= THRASH_SHARE;
}

/** The middle one of each figure, each by itself; NaN of what no load has told. */
export function medianFigures(repeats: readonly Figures[]): Figures {
  const of = (figure: (each: Figures) => number): number => distributionOf(repeats.map(figure)).p50;
  return {
    outputTokenRate: of((each) => each.outputTokenRate),
    requestRate: of((each) => each.requestRate),
    p95: {
      e2e: of(({ p95 }) => p95.e2e),
      ttft: of(({ p95 }) => p95.ttft),
      tpot: of(({ p95 }) => p95.tpot),
      itl: of(({ p95 }) => p95.itl),
    },
    errorShare: of((each) => each.errorShare),
    calls: of((each) => each.calls),
    preemptions: of((each) => each.preemptions),
    problems: [...new Set(repeats.flatMap(({ problems }) => problems))],
  };
}
