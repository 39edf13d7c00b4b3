import type { Uniform } from './seeded.ts';

/** A normal variable of mean 0 and deviation 1 (Box and Muller). */
export function normal(uniform: Uniform): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** An exponential variable of mean 1: the gaps of a Poisson process of one arrival a unit of time. */
export function exponential(uniform: Uniform): number {
  return -Math.log(1 - uniform());
}

/**
 * A gamma variable of this shape and mean 1 (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
 * As gaps between arrivals a shape of 1 is a Poisson process, one below 1 comes in bursts, one above 1 is more even.
 */
export function gamma(uniform: Uniform, shape: number): number {
  if (shape === 1) return exponential(uniform);
  // A shape below 1 is had from the one above it.
  const boost = shape < 1 ? (1 - uniform()) ** (1 / shape) : 1;
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(uniform);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v * boost) / shape;
  }
}
