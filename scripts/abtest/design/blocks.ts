import { seededFor, type Uniform } from '../../load/workload/seeded.ts';

/** A piece of the test in which one arm is in force. */
export interface PlannedSlot {
  /** Its number in the whole test, from 0. */
  readonly number: number;
  readonly block: number;
  /** By its place among the arms. */
  readonly arm: number;
}

/**
 * Randomised complete blocks: each holds every arm once, in an order of chance. What drifts (a card that grows warm, neighbours that come
 * and go) meets all arms alike, and the order itself is what the intervals' chance is taken from.
 */
export function plannedSlots(arms: number, blocks: number, seed: number): PlannedSlot[] {
  return Array.from({ length: blocks }, (_, block) => {
    const uniform = seededFor(seed, block, 'order');
    const order = Array.from({ length: arms }, (_arm, arm) => arm);
    // Fisher and Yates.
    for (let last = arms - 1; last > 0; last--) {
      const other = Math.floor(uniform() * (last + 1));
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order.map((arm, at): PlannedSlot => ({ number: block * arms + at, block, arm }));
  }).flat();
}

/** The chance of the arrivals of one block, which all of its arms have in common. */
export function chanceOfBlock(seed: number, block: number): Uniform {
  return seededFor(seed, block, 'arrivals');
}
