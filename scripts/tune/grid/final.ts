import type { Axis, Point } from './axes.ts';
import { bestOf, isBetter, rateOf } from './best.ts';
import { lookAt, placeOf, pointAt, type SearchState } from './look.ts';
import type { PointResult } from './outcome.ts';

/** So far apart two single loads of the same point may be, as a share. */
const USUAL_NOISE = 0.1;
/** However well repeats agree: another launch is another matter. */
const LEAST_NOISE = 0.02;
/** The last of them are launched once more. */
const FINALISTS = 3;
const LAUNCHES = 2;

/**
 * What is launched next once halving has come to its end. Neighbours of the best of which nothing is known, so that flags that depend on each
 * other do not mislead it; then the best few once more, where noise may have put them in their order; then neighbours that are worse
 * elsewhere in the grid, and those of all that noise may hide. null: nothing of that is left.
 */
export function nextOfFinal(state: SearchState): Point | null {
  const [best, ...others] = survivors(state.results);
  if (best === undefined) return null;
  const beside = unknownBeside(state, best);
  const open = beside.find((place) => isPromising(state, best, place));
  if (open) return pointAt(state.axes, open);
  const again = others.length === 0 ? [] : [best, ...others].slice(0, FINALISTS).filter(({ launches }) => launches < LAUNCHES);
  const fewest = again.toSorted((a, b) => a.launches - b.launches)[0];
  if (fewest) return fewest.point;
  const [place] = [...beside, ...others.flatMap((each) => unknownBeside(state, each))];
  return place ? pointAt(state.axes, place) : null;
}

/** Whether nothing that is known speaks against the way from a point to a place beside it. */
function isPromising(state: SearchState, { point }: PointResult, to: readonly number[]): boolean {
  const from = placeOf(state.axes, point);
  const [axis, payer] = [...from.keys()]
    .filter((each) => from[each] !== to[each])
    .toSorted((a, b) => to[b]! - from[b]! - (to[a]! - from[a]!));
  return payer === undefined ? !isWorseElsewhere(state, axis!, from[axis!]!, to[axis!]!) : hasPaid(state, from, axis!);
}

/** The same step on an axis, from another place, led to less. */
function isWorseElsewhere({ axes, results }: SearchState, axis: number, from: number, to: number): boolean {
  const known = new Map(results.map((result) => [placeOf(axes, result.point).join(), result]));
  return results.some((result) => {
    const at = placeOf(axes, result.point);
    const there = at[axis] === from ? known.get(at.with(axis, to).join()) : undefined;
    return there !== undefined && !isBetter(there, result);
  });
}

/** Whether the last step on an axis was worth more than noise: only then less on another may be worth one more. */
function hasPaid(state: SearchState, from: readonly number[], axis: number): boolean {
  const before = moved(state.axes, from, axis, -1);
  const [here, there] = [lookAt(state, from)?.result, before === null ? null : lookAt(state, before)?.result];
  return !here || there?.outcome !== 'ok' || rateOf(here) > rateOf(there) * (1 + noiseOf(state.results));
}

/** Points that may be the best for all that is known, the best by measure first, then by rate. */
export function survivors(results: readonly PointResult[]): readonly PointResult[] {
  const best = bestOf(results);
  if (best === null) return [];
  const ok = results.filter((each) => each.outcome === 'ok' && each !== best);
  const most = Math.max(rateOf(best), ...ok.map(rateOf));
  const near = ok.filter((each) => rateOf(each) >= most * (1 - noiseOf(results)));
  return [best, ...near.toSorted((a, b) => rateOf(b) - rateOf(a))];
}

/** How far the rates of a point's loads lie apart, as a share: the median over points with several loads. */
export function noiseOf(results: readonly PointResult[]): number {
  const spreads = results.flatMap(({ repeats }) => {
    const rates = repeats.map(({ outputTokenRate }) => outputTokenRate);
    return rates.length < 2 ? [] : [(Math.max(...rates) - Math.min(...rates)) / Math.max(...rates)];
  });
  if (spreads.length === 0) return USUAL_NOISE;
  return Math.max(LEAST_NOISE, spreads.toSorted((a, b) => a - b)[Math.floor(spreads.length / 2)]!);
}

/** Neighbours that have to be launched to be known. */
function unknownBeside(state: SearchState, { point }: PointResult): readonly (readonly number[])[] {
  const { axes } = state;
  const at = placeOf(axes, point);
  const beside = [...at.keys()].flatMap((axis) => [moved(axes, at, axis, 1), moved(axes, at, axis, -1)]);
  // What memory forbids on one axis, less on another may pay for.
  const paid = [...at.keys()].flatMap((axis) => {
    const more = moved(axes, at, axis, 1);
    if (more === null || lookAt(state, more)?.speaks.outcome !== 'oom') return [];
    return [...at.keys()].map((payer) => (payer === axis ? null : moved(axes, more, payer, -1)));
  });
  return [...beside, ...paid].filter((place) => place !== null && lookAt(state, place) === null) as (readonly number[])[];
}

function moved(axes: readonly Axis[], place: readonly number[], axis: number, by: number): readonly number[] | null {
  const index = place[axis]! + by;
  return index >= 0 && index < axes[axis]!.values.length ? place.with(axis, index) : null;
}
