import type { EngineFigures } from '../vllm/metrics.ts';
import { largest, sum, sumOfAll } from '../vllm/samples.ts';

/** What an engine calls its gauges and counters, each with the newline that stands before it on the page. */
interface Names {
  readonly running: string;
  readonly waiting: string;
  /** null: what fills its cache can be thrown out at any time, so that no share of it is pressure. */
  readonly kvUsage: string | null;
  /** What only work moves. */
  readonly work: readonly string[];
}

/** A reader of an engine's Prometheus page. It returns null where the page does not count what runs. */
export function gaugePage({ running, waiting, kvUsage, work }: Names): (page: string) => EngineFigures | null {
  return (page) => {
    const count = sum(page, running);
    if (count === null) return null;
    return {
      running: count,
      waiting: sum(page, waiting) ?? 0,
      kvUsage: (kvUsage === null ? null : largest(page, kvUsage)) ?? 0,
      work: sumOfAll(page, work),
      kvCacheBytes: null,
      kvCacheTokens: null,
    };
  };
}
