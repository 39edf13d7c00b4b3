import type { Uniform } from '../../load/workload/seeded.ts';

/** A time until the next of things that happen by chance alone. */
export function exponential(uniform: Uniform, mean: number): number {
  return -Math.log(1 - uniform()) * mean;
}
