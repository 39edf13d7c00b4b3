import { type Axis, type Point, pointOf } from '../../../scripts/tune/grid/axes.ts';
import { bestOf } from '../../../scripts/tune/grid/best.ts';
import type { SearchState } from '../../../scripts/tune/grid/look.ts';
import { together } from '../../../scripts/tune/grid/judged.ts';
import type { Figures, PointResult } from '../../../scripts/tune/grid/outcome.ts';
import { nextPoint, type SearchKind, skippedPoints } from '../../../scripts/tune/grid/search.ts';

export const figures = (more: Partial<Figures> = {}): Figures => ({
  outputTokenRate: 100,
  requestRate: 2,
  p95: { e2e: 1000, ttft: 100, tpot: 10, itl: 10 },
  errorShare: 0,
  calls: 100,
  preemptions: 0,
  problems: [],
  ...more,
});

export function result(flags: Record<string, number | string>, more: Partial<PointResult> = {}): PointResult {
  const own = more.figures === undefined ? figures() : more.figures;
  const loads = { figures: own, repeats: own === null ? [] : [own] };
  return { point: pointOf(flags), outcome: 'ok', failureClass: null, reason: null, ...loads, launches: 1, tookMs: 1, ...more };
}

export const oom = (flags: Record<string, number | string>, failureClass: string): PointResult =>
  result(flags, { outcome: 'oom', failureClass, reason: 'no memory', figures: null });

interface Launch {
  readonly point: Point;
  /** What was known before. */
  readonly before: readonly PointResult[];
}

const MOST = 100;

/** Runs a search against a card that is a function, to its end; what is launched once more is put together as a run does. */
export function search(kind: SearchKind, axes: readonly Axis[], launch: (flags: Record<string, number>) => PointResult, prunes = true) {
  const state = (results: readonly PointResult[]): SearchState => ({ axes, results, prunes, isSaturating: true });
  let results: readonly PointResult[] = [];
  const launched: Launch[] = [];
  for (let point = nextPoint(kind, state(results)); point !== null; point = nextPoint(kind, state(results))) {
    const { key, flags } = point;
    launched.push({ point, before: results });
    if (launched.length > MOST) throw new Error('it never ends');
    const again = launch(flags as Record<string, number>);
    const known = results.findIndex((each) => each.point.key === key);
    results = known === -1 ? [...results, again] : results.with(known, together(results[known]!, again, { slo: {}, maxErrors: 1 }));
  }
  const best = bestOf(results);
  return { results, launched, launches: launched.length, best: best?.point.key, skipped: skippedPoints(state(results)) };
}

/** Tokens rise with sequences until `knee`, a little with the step until its middle; memory ends at a budget. */
export function card(knee: number, budget: number, steepness = 0.02) {
  return (flags: Record<string, number>): PointResult => {
    const [seqs, tokens] = [flags['max_num_seqs']!, flags['max_num_batched_tokens']!];
    if (seqs * 8 + tokens > budget) return oom(flags, 'kv-too-small');
    const rise = Math.min(seqs, knee) - 0.1 * Math.max(0, seqs - knee);
    const outputTokenRate = 10 * rise * (1 - steepness * Math.abs(Math.log2(tokens / 2048)));
    return result(flags, { figures: figures({ outputTokenRate, p95: { e2e: 100 * seqs, ttft: 1, tpot: 1, itl: 1 } }) });
  };
}
