import { brokenBy, type Objectives } from './objectives.ts';
import { type Figures, medianFigures, type PointResult } from './outcome.ts';

/** What a point comes to that was launched once more: the loads of both count alike, and a failure counts by itself. */
export function together(before: PointResult, again: PointResult, objectives: Objectives): PointResult {
  const sums = { launches: before.launches + again.launches, tookMs: before.tookMs + again.tookMs };
  if (again.figures === null) return { ...again, ...sums };
  return { ...again, ...judged([...before.repeats, ...again.repeats], objectives), ...sums };
}

/** What the loads of a point come to, held against the objectives. @throws Error without any */
export function judged(
  repeats: readonly Figures[],
  objectives: Objectives,
): Pick<PointResult, 'outcome' | 'failureClass' | 'reason' | 'figures' | 'repeats'> {
  const figures = medianFigures(repeats);
  const broken = brokenBy(figures, objectives);
  return { outcome: broken === null ? 'ok' : 'slo', failureClass: null, reason: broken, figures, repeats };
}
