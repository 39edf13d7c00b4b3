import { type Axis, type Point, pointOf } from './axes.ts';
import type { PointResult } from './outcome.ts';
import { type Skip, skipOf } from './prune.ts';

/** What a search knows: all that was measured. */
export interface SearchState {
  readonly axes: readonly Axis[];
  readonly results: readonly PointResult[];
  /** Whether results speak for points that were not launched. */
  readonly prunes: boolean;
  readonly isSaturating: boolean;
}

/** What is known of a place in the grid. */
export interface Look {
  /** null: not launched, since another result speaks for it. */
  readonly result: PointResult | null;
  /** Whose failure it is, where it is one. */
  readonly speaks: PointResult;
}

/** Of the place with these indices on the axes; null: it has to be launched to be known. */
export function lookAt(state: SearchState, place: readonly number[]): Look | null {
  const point = pointAt(state.axes, place);
  const result = state.results.find((known) => known.point.key === point.key);
  if (result) return { result, speaks: result };
  const skip = skipIn(state, point);
  return skip && { result: null, speaks: skip.because };
}

export function pointAt(axes: readonly Axis[], place: readonly number[]): Point {
  return pointOf(Object.fromEntries(axes.map(({ flag, values }, axis) => [flag, values[place[axis]!]!])));
}

export function placeOf(axes: readonly Axis[], { flags }: Point): readonly number[] {
  return axes.map(({ flag, values }) => values.indexOf(flags[flag]!));
}

export function skipIn({ results, prunes, isSaturating }: SearchState, point: Point): Skip | null {
  return prunes ? skipOf(point, results, isSaturating) : null;
}
