import { type Axis, type Point, pointsOf } from './axes.ts';
import { bestOf, isBetter } from './best.ts';
import { nextOfFinal } from './final.ts';
import { type Look, lookAt, pointAt, type SearchState, skipIn } from './look.ts';
import { launchesOf, type PointResult } from './outcome.ts';
import { type Skip, wantsMoreShare } from './prune.ts';

export type SearchKind = 'grid' | 'halving';

/**
 * The point to launch next; null: the search is over. It depends on nothing but the results, so that a run that was killed goes on where it
 * stood. grid: every point that no result speaks against. halving: see below.
 */
export function nextPoint(kind: SearchKind, state: SearchState): Point | null {
  return kind === 'grid' ? nextOfGrid(state) : nextOfHalving(state);
}

/** What is not launched, and why, as far as is known now. */
export function skippedPoints(state: SearchState): readonly { readonly point: Point; readonly skip: Skip }[] {
  const measured = new Set(state.results.map(({ point }) => point.key));
  return pointsOf(state.axes).flatMap((point) => {
    const skip = measured.has(point.key) ? null : skipIn(state, point);
    return skip === null ? [] : [{ point, skip }];
  });
}

/** How many launches there will be at most, the next one among them. */
export function launchesLeft(kind: SearchKind, state: SearchState): number {
  const grid = pointsOf(state.axes).length - state.results.length - skippedPoints(state).length;
  return kind === 'grid' ? grid : Math.max(1, mostOf(state.axes) - launchesOf(state.results));
}

function nextOfGrid(state: SearchState): Point | null {
  const measured = new Set(state.results.map(({ point }) => point.key));
  return pointsOf(state.axes).find((point) => !measured.has(point.key) && skipIn(state, point) === null) ?? null;
}

/** Thrown inside to say that a point's result is needed. */
class Needed extends Error {
  readonly point: Point;
  constructor(point: Point) {
    super(point.key);
    this.point = point;
  }
}

/**
 * Halves the range of one axis after the other: two neighbours in its middle tell in which half the best lies, as what a card can do rises
 * with a flag until memory, cache or objectives end it. Then what lies within the noise of the best is looked at, as long as there are
 * launches left: `nextOfFinal`.
 */
function nextOfHalving(state: SearchState): Point | null {
  const { axes, results } = state;
  if (bestOf(results) !== null && launchesOf(results) >= mostOf(axes)) return null;
  const at = axes.map(({ values }) => Math.floor((values.length - 1) / 2));
  const look = (place: readonly number[]): Look => {
    const seen = lookAt(state, place);
    if (seen === null) throw new Needed(pointAt(axes, place));
    return seen;
  };
  try {
    for (const axis of axes.keys()) at[axis] = halve(axes[axis]!, (index) => look(at.with(axis, index)));
    look(at);
    // A card that bears nothing of all this may bear the least of it.
    if (bestOf(results) === null) look(axes.map(() => 0));
  } catch (error) {
    if (error instanceof Needed) return error.point;
    throw error;
  }
  return nextOfFinal(state);
}

/** So many launches halving takes at most once it knows a point that runs: half of the grid, or what it takes to halve every axis of a small one. */
export function mostOf(axes: readonly Axis[]): number {
  const each = axes.map(({ values }) => (isOrdered(values) ? Math.ceil(Math.log2(values.length)) : values.length - 1));
  return Math.max(
    Math.ceil(pointsOf(axes).length / 2),
    each.reduce((sum, launches) => sum + launches, 1),
  );
}

/** Words have no order. */
function isOrdered(values: Axis['values']): boolean {
  return values.every((value) => typeof value === 'number');
}

function halve({ flag, values }: Axis, look: (index: number) => Look): number {
  let [low, high] = [0, values.length - 1];
  if (!isOrdered(values))
    return [...values.keys()].reduce((best, index) => (isBetter(look(index).result, look(best).result) ? index : best), 0);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const below = look(middle);
    if (below.result?.outcome !== 'ok') {
      if (isCuredByMore(flag, below.speaks)) low = middle + 1;
      else if (middle > low) high = middle - 1;
      else return low;
    } else if (isBetter(look(middle + 1).result, below.result)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isCuredByMore(flag: string, { outcome, failureClass }: PointResult): boolean {
  return flag === 'gpu_memory_utilization' && outcome === 'oom' && wantsMoreShare(failureClass);
}
