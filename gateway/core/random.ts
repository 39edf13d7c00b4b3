/** Chance comes in here, so that a test can repeat it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export const systemRandom: Random = { next: () => Math.random() };

/** `value` give or take `share` of itself: jitter(random, 100, 0.2) lies in [80, 120). */
export function jitter(random: Random, value: number, share: number): number {
  return value * (1 - share + 2 * share * random.next());
}
