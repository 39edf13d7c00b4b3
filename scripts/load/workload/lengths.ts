import { normal } from './distributions.ts';
import type { Uniform } from './seeded.ts';

/** How many tokens: always the same, evenly between two, or by a lognormal distribution of this median and deviation of its logarithm. */
export type Lengths =
  | { readonly kind: 'fixed'; readonly tokens: number }
  | { readonly kind: 'uniform'; readonly least: number; readonly most: number }
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number };

/** A lognormal has a long tail: beyond so many medians it is cut. */
const TAIL = 20;

/** A length in tokens, at least 1. */
export function drawLength(lengths: Lengths, uniform: Uniform): number {
  switch (lengths.kind) {
    case 'fixed':
      return lengths.tokens;
    case 'uniform':
      return lengths.least + Math.floor(uniform() * (lengths.most - lengths.least + 1));
    case 'lognormal':
      return Math.max(1, Math.round(lengths.median * Math.min(TAIL, Math.exp(lengths.sigma * normal(uniform)))));
  }
}

/** Reads `256`, `uniform:10:500` or `lognormal:256:0.5`. @returns null where it is none of them */
export function readLengths(text: string): Lengths | null {
  const [kind = '', a, b, ...rest] = text.split(':');
  if (rest.length > 0) return null;
  const [first, second] = [Number(a), Number(b)];
  if (kind === 'uniform' && isTokens(first) && isTokens(second) && first <= second) return { kind, least: first, most: second };
  if (kind === 'lognormal' && isTokens(first) && second >= 0 && second <= 3) return { kind, median: first, sigma: second };
  const tokens = Number(kind);
  return a === undefined && isTokens(tokens) ? { kind: 'fixed', tokens } : null;
}

function isTokens(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 1_000_000;
}
