import type { Want } from './words.ts';

// What holds of usage and budgets, whoever keeps them.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How long what was used is on record. */
const KEPT_MS = 400 * DAY_MS;
/** Past its end, what an address has spent: a clock may step back. */
const ADDRESS_KEPT_MS = 2 * DAY_MS;
/** How often what is too old is looked for. */
export const PRUNE_MS = HOUR_MS;
/** A process that has said nothing for so long holds nothing any more. */
export const LEASE_MS = 15_000;
/** A process of which nothing was heard for so long is not remembered. */
export const HOLDER_KEPT_MS = DAY_MS;
/** Budgets of which it is told what was spent, those that were used most. */
export const MOST_TOLD = 50_000;
/** Subjects that are keys begin with it (core/principal.ts: flowOf). */
export const KEY_SUBJECT = 'key %';

/** What was before these is not kept: hours since the epoch, and wall-clock milliseconds at which a budget was over. */
export function keptSince(now: number): { readonly hour: number; readonly ofKeys: number; readonly ofAddresses: number } {
  return { hour: Math.floor((now - KEPT_MS) / HOUR_MS), ofKeys: now - KEPT_MS, ofAddresses: now - ADDRESS_KEPT_MS };
}

/**
 * The rule by which budgets are handed out, which ../budget-script.ts follows where several databases are told to one server.
 *
 * What is held is never taken back; what calls need goes before what is only to be at hand, of which others are left half. Of the last tenth
 * nobody has any at hand: there each call asks, so that none is refused for what lies idle elsewhere.
 * @param others what all others that live were granted
 */
export function shareOf({ amount, held, need, spare }: Want, spent: number, others: number): number {
  const free = Math.max(0, amount - spent - others);
  const least = held + need;
  if (least > free) return Math.max(held, free);
  return least + Math.min(spare, Math.floor(Math.max(0, free - least - amount / 10) / 2));
}
