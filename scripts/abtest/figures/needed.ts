import { fewestBlocks } from './interval.ts';

/** How often a difference of the size asked for is to be shown where there is one. */
export const POWER = 0.8;

/**
 * The blocks of which intervals of this confidence would show a difference of that size, four times of five, when single blocks scatter by
 * `deviation`. NaN where nothing is known of how they scatter.
 */
export function blocksNeeded(deviation: number, size: number, confidence: number): number {
  const z = normalQuantile(1 - (1 - confidence) / 2);
  // The last part is for the deviation, which itself is only estimated (Guenther, 1981).
  const blocks = ((z + normalQuantile(POWER)) * (deviation / size)) ** 2 + z ** 2 / 2;
  return Number.isNaN(blocks) ? NaN : Math.max(fewestBlocks(confidence), Math.ceil(blocks));
}

/** The value below which a normal variable lies with this probability, of 0.5 or more (Abramowitz and Stegun 26.2.23; to 0.00045). */
export function normalQuantile(probability: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - probability));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}
