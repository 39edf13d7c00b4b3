import { gamma } from './distributions.ts';
import { rateCurve, type RateStage } from './rate.ts';
import type { Uniform } from './seeded.ts';

/** `constant`: evenly; or gaps by the gamma distribution of this shape: 1 is Poisson, below 1 comes in bursts. */
export type Spacing = { readonly kind: 'constant' } | { readonly kind: 'gamma'; readonly shape: number };

/**
 * When each call is to be sent, in milliseconds from the start, ascending. Gaps are scaled so that the number of calls is what the rate
 * means over the whole time, as `vllm bench serve` does: a run of 60 s at 10 a second has 600 calls whatever the seed.
 */
export function arrivals(stages: readonly RateStage[], spacing: Spacing, uniform: Uniform): Float64Array {
  const curve = rateCurve(stages);
  const count = Math.round(curve.calls);
  const at = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    at[i] = sum;
    sum += spacing.kind === 'constant' ? 1 : gamma(uniform, spacing.shape);
  }
  const scale = sum === 0 ? 0 : curve.calls / sum;
  for (let i = 0; i < count; i++) at[i] = curve.secondOf(at[i]! * scale) * 1000;
  return at;
}
