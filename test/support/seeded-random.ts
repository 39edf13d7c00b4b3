import type { Random } from '../../gateway/core/random.ts';
import { seeded } from '../../scripts/load/workload/seeded.ts';

/** The same sequence for the same seed. */
export function seededRandom(seed: number): Random {
  return { next: seeded(seed) };
}
