import { seededFor } from './seeded.ts';

/** Where nobody says how long an answer is to be, a client that leaves does so within its beginning. */
const USUAL_TOKENS = 16;

interface Leaving {
  readonly seed: number;
  /** The share of clients that leave in the middle, from 0 to 1. */
  readonly cancelShare: number;
}

/** After how many pieces of its answer the client of this call leaves; null for one that stays. The same for the same seed. */
export function leavesAfter({ seed, cancelShare }: Leaving, index: number, outputTokens: number | null): number | null {
  if (cancelShare === 0) return null;
  const uniform = seededFor(seed, index, 'leaving');
  if (uniform() >= cancelShare) return null;
  return Math.max(1, Math.floor(uniform() * (outputTokens ?? USUAL_TOKENS)));
}
