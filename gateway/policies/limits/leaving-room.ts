import type { Limits } from '../../core/principal.ts';

const LEFT_SHARE = 10;

/**
 * What calls of the lower class may have of limits that they share with others: all but a tenth of each, and all but one at least, so that no
 * others are refused for them. Of a limit of one there is nothing to leave. Pure.
 */
export function leavingRoom({ requests_per_minute: requests, tokens_per_minute: tokens, concurrent_requests: places }: Limits): Limits {
  return { requests_per_minute: less(requests), tokens_per_minute: less(tokens), concurrent_requests: less(places) };
}

/** The same of one limit, or of a share of one. */
export function less(limit: number | null): number | null {
  return limit === null || limit <= 1 ? limit : limit - Math.ceil(limit / LEFT_SHARE);
}
