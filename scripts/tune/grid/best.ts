import type { PointResult } from './outcome.ts';

/** Two rates that are nearer than this are the same as far as loads of some seconds can tell. */
const SAME_SHARE = 0.01;

/** The point that makes most output tokens within the objectives; of those that make as many, the one whose callers wait least. */
export function bestOf(results: readonly PointResult[]): PointResult | null {
  const within = results.filter(({ outcome }) => outcome === 'ok');
  const most = within.reduce((rate, each) => Math.max(rate, rateOf(each)), -Infinity);
  const alike = within.filter((each) => rateOf(each) >= most * (1 - SAME_SHARE));
  return alike.toSorted((a, b) => waitOf(a) - waitOf(b))[0] ?? null;
}

/** Whether `a` is a better choice than `b`. What did not run, or broke an objective, is better than nothing else. */
export function isBetter(a: PointResult | null, b: PointResult | null): boolean {
  if (a?.outcome !== 'ok') return false;
  if (b?.outcome !== 'ok') return true;
  const [own, other] = [rateOf(a), rateOf(b)];
  if (Math.abs(own - other) > SAME_SHARE * Math.max(own, other)) return own > other;
  return waitOf(a) < waitOf(b);
}

/** Output tokens a second. */
export function rateOf({ figures }: PointResult): number {
  return figures?.outputTokenRate ?? -Infinity;
}

function waitOf({ figures }: PointResult): number {
  return figures?.p95.e2e ?? Infinity;
}
