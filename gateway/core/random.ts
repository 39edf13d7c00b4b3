import { randomFillSync } from 'node:crypto';

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

const ID_BYTES = 16;
const POOL_BYTES = 256 * ID_BYTES;

/** Makes ids of 32 hexadecimal digits that nobody can guess. The system is asked for chance some hundred ids at a time. */
export function idMaker(): () => string {
  const pool = Buffer.alloc(POOL_BYTES);
  let at = POOL_BYTES;
  return () => {
    if (at === POOL_BYTES) {
      randomFillSync(pool);
      at = 0;
    }
    at += ID_BYTES;
    return pool.toString('hex', at - ID_BYTES, at);
  };
}
