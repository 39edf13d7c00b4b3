import type { FlagValue, Point } from './axes.ts';
import { isThrashing, type PointResult } from './outcome.ts';

/** Flags of which more takes more memory. */
const GROWING: ReadonlySet<string> = new Set(['max_num_seqs', 'max_num_batched_tokens', 'max_model_len', 'max_cudagraph_capture_size']);
const SHARE = 'gpu_memory_utilization';
/** What is taken for the cache is what was missing there. */
const WANTS_MORE_SHARE: ReadonlySet<string> = new Set(['kv-too-small', 'oom-kv-zero']);
/** Neither the number of sequences nor the size of a step has a part in it. */
const WEIGHTS = 'oom-weights';
/** The machine's own memory says nothing of the card's. */
const NOT_OF_THE_CARD = 'oom-host';

/** Why a point need not be launched, and where along the share of memory it would be better. */
export interface Skip {
  readonly why: string;
  readonly because: PointResult;
}

/**
 * What the results so far say of a point that has not been launched; null: nothing. An OOM speaks for all that asks for as much or more of
 * everything. A broken objective, and a cache that is full, speak for more sequences with otherwise the same settings; that only holds
 * where the load fills whatever there is (`isSaturating`): with a rate of the caller's own fewer sequences may be what is wrong.
 */
export function skipOf(point: Point, results: readonly PointResult[], isSaturating: boolean): Skip | null {
  for (const result of results) {
    if (result.outcome === 'oom' && isAsHungry(point, result)) {
      const why = `${result.point.key} ran out of memory (${result.failureClass ?? 'oom'}), and this asks for no less`;
      return { why, because: result };
    }
    if (!isSaturating || !hasMoreSequences(point, result.point)) continue;
    if (result.outcome === 'slo')
      return {
        why: `${result.point.key} broke the objectives (${result.reason}), and more sequences only make each slower`,
        because: result,
      };
    if (isThrashing(result))
      return {
        why: `${result.point.key} had no room in its cache for its sequences (${result.figures?.preemptions} preemptions), and this has more`,
        because: result,
      };
  }
  return null;
}

function isAsHungry(point: Point, { point: other, failureClass }: PointResult): boolean {
  if (failureClass === NOT_OF_THE_CARD) return false;
  return Object.entries(point.flags).every(([flag, value]) => {
    const against = other.flags[flag];
    if (against === undefined) return false;
    if (typeof value !== 'number' || typeof against !== 'number') return value === against;
    if (failureClass === WEIGHTS && (GROWING.has(flag) || flag === SHARE)) return true;
    if (GROWING.has(flag)) return value >= against;
    if (flag === SHARE) return wantsMoreShare(failureClass) ? value <= against : value >= against;
    return value === against;
  });
}

/** Of an OOM: whether a larger share of the card's memory would have been the cure. */
export function wantsMoreShare(failureClass: string | null): boolean {
  return failureClass !== null && WANTS_MORE_SHARE.has(failureClass);
}

function hasMoreSequences(point: Point, other: Point): boolean {
  return (
    Object.entries(point.flags).every(([flag, value]) => {
      const against: FlagValue | undefined = other.flags[flag];
      if (flag === 'max_num_seqs') return typeof value === 'number' && typeof against === 'number' && value > against;
      return value === against;
    }) && Object.hasOwn(point.flags, 'max_num_seqs')
  );
}
