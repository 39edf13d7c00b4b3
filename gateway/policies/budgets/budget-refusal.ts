import type { BudgetLimit } from '../../core/errors.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Estimate } from '../limits/token-estimate.ts';
import type { Shortage } from './budgets.ts';

const SETTINGS: Readonly<Record<BudgetLimit, string>> = { day: 'tokens_per_day', month: 'tokens_per_month' };

/** Somebody's call may have ended by then. */
const HELD_MS = 1_000;

/** What whoever has used up a budget is told: how much it was, and when it begins anew. @param wall wall-clock ms */
export function budgetRefusal({ window, amount, used, why }: Shortage, name: string, estimate: Estimate, wall: number): GatewayError {
  const { limit, endsAt } = window;
  if (amount === 0) return refused(`${name} may use no tokens (${SETTINGS[limit]}: 0).`, limit);
  const needs = estimate.prompt + estimate.answer;
  if (why === 'too large') {
    const advice = 'Ask for fewer tokens (max_tokens).';
    return refused(`Request too large for ${name} on tokens per ${limit}: limit ${amount}, requested ${needs}. ${advice}`, limit);
  }
  if (why === 'held') {
    const message = `Calls of ${name} that run hold too much of its tokens per ${limit}: limit ${amount}, used and held ${used}, requested ${needs}. What they do not use comes back as they end.`;
    return new GatewayError('rate_limited', message, { retryAfterMs: HELD_MS, limit });
  }
  const anew = new Date(endsAt).toISOString().replace('.000Z', 'Z');
  const message = `Quota exceeded for ${name} on tokens per ${limit}: limit ${amount}, used ${used}, requested ${needs}. The next ${limit} begins at ${anew}.`;
  return refused(message, limit, Math.max(1, endsAt - wall));
}

/** What somebody is told whose budgets nobody knows at the moment, where that lets nothing in. */
export function budgetsUnknown(name: string, retryAfterMs: number): GatewayError {
  const message = `What ${name} has left of its budgets cannot be looked up at the moment: the store that the gateways share does not answer. Please try again later.`;
  return new GatewayError('store_unavailable', message, { retryAfterMs });
}

function refused(message: string, limit: BudgetLimit, retryAfterMs?: number): GatewayError {
  return new GatewayError('quota_exceeded', message, { hopeless: true, limit, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}
