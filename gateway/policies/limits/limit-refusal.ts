import { GatewayError, type LimitName } from '../../core/errors.ts';
import type { Limits } from '../../core/principal.ts';
import { duration } from './limit-headers.ts';
import type { Limited, Taking } from './limiter.ts';
import type { Estimate } from './token-estimate.ts';

const SETTINGS: Readonly<Record<LimitName, keyof Limits>> = {
  requests: 'requests_per_minute',
  tokens: 'tokens_per_minute',
  concurrent: 'concurrent_requests',
};

/** What whoever is over a limit is told: which it is, and when to come back, if ever. */
export function limitRefusal(
  { limit, waitMs }: Extract<Taking, { kind: 'refused' }>,
  { name, limits }: Limited,
  estimate: Estimate,
): GatewayError {
  const setting = SETTINGS[limit];
  const most = limits[setting];
  if (waitMs === Infinity) {
    const message =
      most === 0
        ? `${name} may send no requests (${setting}: 0).`
        : `Request too large for ${name} on tokens per minute: limit ${most}, requested ${needs(estimate)}. Send a shorter prompt, or ask for fewer tokens (max_tokens).`;
    return new GatewayError('rate_limited', message, { hopeless: true, limit });
  }
  return new GatewayError('rate_limited', `Rate limit reached for ${name} on ${reached(limit, most, waitMs, estimate)}`, {
    retryAfterMs: waitMs,
    limit,
  });
}

/** What somebody is told whose limits nobody knows at the moment, where that lets nothing in. */
export function limitsUnknown({ waitMs }: Extract<Taking, { kind: 'unknown' }>, { name }: Limited): GatewayError {
  const message = `The limits of ${name} cannot be looked up at the moment: the store that the gateways share does not answer. Please try again later.`;
  return new GatewayError('store_unavailable', message, { retryAfterMs: waitMs });
}

function reached(limit: LimitName, most: number | null, waitMs: number, estimate: Estimate): string {
  const again = `Please try again in ${duration(waitMs)}.`;
  switch (limit) {
    case 'requests':
      return `requests per minute: limit ${most}. ${again}`;
    case 'tokens':
      return `tokens per minute: limit ${most}, requested ${needs(estimate)}. ${again}`;
    case 'concurrent':
      return `concurrent requests: limit ${most}. Please try again when one of them has ended.`;
  }
}

function needs({ prompt, answer, asked }: Estimate): string {
  const most = asked === null ? `about ${answer} for the answer, which max_tokens would say` : `at most ${answer} for the answer`;
  return `${prompt + answer} (about ${prompt} for the prompt, ${most})`;
}
