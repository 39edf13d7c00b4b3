import { shown } from './numbers.ts';

/** Where values lie on a line of `length` pixels, and what is written beside it. */
export interface Axis {
  at(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** From `low` to `high`, widened to whole steps of 1, 2 or 5. */
export function linearAxis(low: number, high: number, length: number, ticks = 5): Axis {
  const span = high - low || Math.abs(high) || 1;
  const step = niceStep(span / ticks);
  const from = Math.floor(low / step) * step;
  const to = Math.max(Math.ceil(high / step) * step, from + step);
  const at = (value: number): number => ((value - from) / (to - from)) * length;
  const count = Math.round((to - from) / step);
  return { at, ticks: Array.from({ length: count + 1 }, (_, i) => tick(from + i * step, at)) };
}

/** By powers of ten, from `low` (above 0) to `high`. */
export function logAxis(low: number, high: number, length: number): Axis {
  const [from, to] = [Math.floor(Math.log10(low)), Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)];
  const at = (value: number): number => ((Math.max(Math.log10(value), from) - from) / (to - from)) * length;
  return { at, ticks: Array.from({ length: to - from + 1 }, (_, i) => tick(10 ** (from + i), at)) };
}

function tick(value: number, at: (value: number) => number): { readonly at: number; readonly text: string } {
  // Steps of tenths do not add up to round numbers.
  return { at: at(value), text: shown(Number(value.toPrecision(12))) };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * power;
}
