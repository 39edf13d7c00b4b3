import { type Axis, type Point, pointOf, pointsOf } from './axes.ts';
import { bestOf, isBetter } from './best.ts';
import type { PointResult } from './outcome.ts';
import { type Skip, skipOf, wantsMoreShare } from './prune.ts';

export type SearchKind = 'grid' | 'halving';

/** What a search knows: all that was measured, in the order in which it was. */
export interface SearchState {
  readonly axes: readonly Axis[];
  readonly results: readonly PointResult[];
  /** Whether results speak for points that were not launched. */
  readonly prunes: boolean;
  readonly isSaturating: boolean;
}

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

function skipIn({ results, prunes, isSaturating }: SearchState, point: Point): Skip | null {
  return prunes ? skipOf(point, results, isSaturating) : null;
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
 * with a flag until memory, cache or objectives end it. When no axis moves any more, the neighbours of where it stands are looked at, so
 * that axes that depend on each other do not mislead it.
 */
function nextOfHalving(state: SearchState): Point | null {
  const known = new Map(state.results.map((result) => [result.point.key, result]));
  const at = state.axes.map(({ values }) => Math.floor((values.length - 1) / 2));
  const look = (place: readonly number[]): Look => {
    const point = pointOf(Object.fromEntries(state.axes.map(({ flag, values }, axis) => [flag, values[place[axis]!]!])));
    const result = known.get(point.key);
    if (result) return { result, speaks: result };
    const skip = skipIn(state, point);
    if (skip) return { result: null, speaks: skip.because };
    throw new Needed(point);
  };
  try {
    for (const axis of state.axes.keys()) at[axis] = halve(state.axes[axis]!, (index) => look(at.with(axis, index)));
    // Of points that are alike each may be better than the next in a round: none is stood on twice.
    const stoodOn = new Set<string>();
    do stoodOn.add(at.join());
    while (climb(state.axes, at, look) && !stoodOn.has(at.join()));
    // A card that bears nothing of all this may bear the least of it.
    if (bestOf(state.results) === null) look(state.axes.map(() => 0));
    return null;
  } catch (error) {
    if (error instanceof Needed) return error.point;
    throw error;
  }
}

interface Look {
  /** null: not launched. */
  readonly result: PointResult | null;
  /** Whose failure it is, where it is one. */
  readonly speaks: PointResult;
}

function halve({ flag, values }: Axis, look: (index: number) => Look): number {
  let [low, high] = [0, values.length - 1];
  // Words have no order: each is looked at.
  if (!values.every((value) => typeof value === 'number'))
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

/** Moves to the first neighbour that is better. @returns whether it moved */
function climb(axes: readonly Axis[], at: number[], look: (place: readonly number[]) => Look): boolean {
  const isThere = (axis: number, index: number): boolean => index >= 0 && index < axes[axis]!.values.length;
  const move = (place: readonly number[]): boolean => {
    if (!isBetter(look(place).result, look(at).result)) return false;
    at.splice(0, at.length, ...place);
    return true;
  };
  for (const [axis, own] of at.entries()) {
    for (const index of [own + 1, own - 1]) if (isThere(axis, index) && move(at.with(axis, index))) return true;
  }
  // What memory forbids on one axis, less on another may pay for.
  for (const [axis, own] of at.entries()) {
    if (!isThere(axis, own + 1) || look(at.with(axis, own + 1)).speaks.outcome !== 'oom') continue;
    for (const [payer, has] of at.entries())
      if (payer !== axis && isThere(payer, has - 1) && move(at.with(axis, own + 1).with(payer, has - 1))) return true;
  }
  return false;
}
