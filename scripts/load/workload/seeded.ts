/** Numbers from 0 on below 1. */
export type Uniform = () => number;

/** Numbers from 0 on below 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): Uniform {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What chance decides. */
const MATTERS = ['words', 'lengths', 'prefixes', 'blocks', 'leaving', 'arrivals', 'order', 'subsets'] as const;

/**
 * Chance that belongs to a seed, a number (of a call, of a block) and a matter. Neighbours in any of the three have nothing in common: that of
 * seed 1 and number 5 is not that of seed 2 and number 4. No two numbers of the same seed and matter have the same.
 */
export function seededFor(seed: number, index: number, matter: (typeof MATTERS)[number]): Uniform {
  const key = mixed((mixed(seed) + MATTERS.indexOf(matter) + 1) | 0);
  // Numbers, seeds and matters are all small: what they are turned into must not be the same.
  return seeded(mixed(mixed(index + 0x5bd1e995) ^ key));
}

/** Turns each number of 32 bits into another one, so that neighbours lie far apart (the end of MurmurHash3). */
function mixed(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
