import { missingOf, sharesOf } from '../processes/ledger/shares.ts';
import type { Standing } from './terms.ts';

export interface Portion {
  /** What it keeps; what it has beyond this it gives back. */
  readonly keeps: number;
  /** What of that it may take into use. */
  readonly usable: number;
  /** How many places more it would have. */
  readonly asks: number;
  /** It is to have more as soon as somebody else has given it back. */
  readonly isComing: boolean;
  /** All that there is is used or waited for. */
  readonly isScarce: boolean;
}

/**
 * What one of several gateways makes of what all of them have said of a worker. Each reckons for itself by the same rule that divides places
 * between the processes of one gateway, from nearly the same figures: so they agree without anybody who decides, and where they differ for a
 * moment nobody gets what another still holds. One that is alone has everything. Pure.
 * @param all how each stands, this one included @param kept of its own, what it cannot give back @param total places in all
 */
export function portionOf(own: string, all: readonly Standing[], total: number, kept: number): Portion {
  const at = all.findIndex(({ id }) => id === own);
  const { held } = all[at]!;
  if (all.length === 1) return alone(total, held, kept);
  const shares = sharesOf(total, all);
  const share = shares[at]!;
  const missing = missingOf(all, shares);
  const free = total - sum(all.map((each) => each.held));
  // What somebody needs goes before what is only handed out to be at hand.
  const isShort = sum(missing) > Math.max(0, free);
  const owes = (isShort || free < 0) && held > share;
  const keeps = owes ? Math.max(share, Math.min(held, kept)) : held;
  return {
    keeps,
    usable: owes ? Math.min(keeps, share) : keeps,
    asks: Math.max(0, isShort ? missing[at]! : share - held),
    isComing: isShort && missing[at]! > 0,
    isScarce: sum(all.map(({ first, rest }) => first + rest)) >= total,
  };
}

function alone(total: number, held: number, kept: number): Portion {
  const keeps = held > total ? Math.max(total, Math.min(held, kept)) : held;
  return { keeps, usable: Math.min(keeps, total), asks: Math.max(0, total - held), isComing: false, isScarce: false };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
